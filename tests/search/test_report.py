"""The page of a sweep: complete, escaped, needing nothing else; made of a study in memory."""

import re
from dataclasses import replace
from pathlib import Path

import hydra
import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from src.cli.overrides import CONF
from src.figures.search import Values
from src.search.confirm import candidates
from src.search.outcome import Outcome
from src.search.page import render_page
from src.search.study import best_first, counts_by_state
from src.search.verdict import Verdict
from src.stats.scores import expected_best
from src.sweep import register_sweeps
from tests.search.test_sweeps import request_of

HOSTILE = "<script>alert(1)</script> | \"quoted\" & 'more' $x_1$"
SPACE = {
    "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "model.hidden_sizes.layers": IntDistribution(1, 2),
    "model.hidden_sizes.1": IntDistribution(16, 1024, log=True),
    "regularization": CategoricalDistribution(["none", "dropout"]),
}


@pytest.fixture(scope="module")
def study():
    """Return a study of 50 trials: most complete, some pruned, one failed, one stopped."""
    rng, study = np.random.default_rng(0), optuna.create_study(direction="maximize")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for number in range(50):
        trial = study.ask(SPACE)
        lr, width = trial.params["optimizer.lr"], trial.params["model.hidden_sizes.1"]
        trial.set_user_attr("assignment", {"optimizer.lr": lr, "model.hidden_sizes": [width]})
        trial.set_user_attr("run_id", f"{number:032}")
        best = 0.97 - 0.05 * abs(np.log10(lr) + 2) + rng.normal(0, 0.003)
        curve = best - 0.4 * np.exp(-np.arange(1, 11) / 2)
        pruned = number % 4 == 3
        for epoch, value in enumerate(curve[: 3 if pruned else 10], start=1):
            trial.report(float(value), epoch)
        if number in (20, 21):
            trial.set_user_attr("end_reason", HOSTILE if number == 20 else "interrupted")
            study.tell(trial, state=TrialState.FAIL)
        elif pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            numbers = {"parameters": 1e3 * width, "seconds": 2.0, "epochs": 10, "best_epoch": 10}
            for name, value in numbers.items():
                trial.set_user_attr(name, value)
            if number == 40:  # the best, if it might win
                trial.set_constraint("parameters", 8e5)
                trial.set_user_attr("end_reason", "9e5 parameters, at most 1e5")
            study.tell(trial, float(curve[-1]) + 0.01 * (number == 40))
    study.enqueue_trial({"optimizer.lr": 0.01}, user_attrs={"retry_of": 21})
    return study


@pytest.fixture(scope="module")
def request_():
    register_sweeps()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return request_of("sweep=quick")


@pytest.fixture(scope="module")
def outcome(study, request_):
    best = best_first(study)[0]
    return Outcome(
        name="planted",
        stop_reason="the budget of 50 trials is used up",
        verdict=Verdict("undecided", 0.951, 0.004, 0.947, 0.955),
        best=best.number,
        best_run="a" * 32,
        best_values=best.values,
        handed_over="b" * 32,
        refitted=True,
        finalists=candidates(study, request_.settings),
        test={"test/accuracy": 0.961, "test/accuracy_low": 0.95, "test/accuracy_high": 0.97},
        counts=counts_by_state(study),
        folder=Path("planted"),
        parent="c" * 32,
        utilisation=0.9,
        seconds=55.0,
        searching=40.0,
        missing=[],
        advice=[HOSTILE],
    )


@pytest.fixture(scope="module")
def html(outcome, study, request_):
    return render_page(outcome, study, request_, again=f"python -m src.train {HOSTILE}")


def test_it_says_what_came_out_and_how_to_have_it_again(html, outcome):
    assert "<strong>Target 0.95 undecided: mean 0.9510, spread 0.0040" in html
    assert f"The winner is trial {outcome.best}." in html
    assert "<pre>python -m src.train &lt;script&gt;" in html
    assert f"run <code>{'b' * 32}</code>, the winner trained once more" in html
    assert "<strong>0.9610</strong> (95 % interval 0.9500 to 0.9700)" in html


def test_it_needs_nothing_else_and_runs_nothing(html):
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)") == 3
    assert not re.findall(r"(?:src|href)=\"(?!data:image/svg)", html)
    assert not re.findall(r"https?://|@import|url\(", html)
    assert html.count("<img ") == 4 + len(SPACE) + 1 + 1


def test_its_table_has_the_best_first_and_what_did_not_end_well_last(html, study):
    rows = re.findall(r"<tr><td>(\d+)(?:, the winner)?</td>\n<td[^>]*>([^<]*)", html)
    complete = best_first(study)
    assert [int(number) for number, _ in rows[: len(complete)]] == [t.number for t in complete]
    assert len(rows) == 50
    words = [said.split(",")[0].split(":")[0] for _, said in rows[len(complete) :]]
    assert words == ["excluded"] + ["pruned"] * 12 + ["failed", "stopped"]
    shown, rest = html.split("<details>")
    assert shown.count('<td data-name="epochs">') == 20
    assert "<summary>The other 30</summary>" in rest


def test_importances_are_shown_from_ten_trials_on(html, study, outcome, request_):
    shares = re.findall(r"<td>([\w ]+)</td><td>(\d+) %<span class=\"range\">(\d+) to (\d+)", html)
    assert shares[0][0] == "lr"
    ranked = [int(share) for _, share, _, _ in shares]
    assert ranked == sorted(ranked, reverse=True)
    assert int(shares[0][2]) <= int(shares[0][1]) <= int(shares[0][3])
    few = optuna.create_study(direction="maximize")
    few.add_trials([t for t in study.trials if t.state == TrialState.COMPLETE][:9])
    few_outcome = replace(outcome, best=best_first(few)[0].number)
    page = render_page(few_outcome, few, request_, again="")
    assert "fANOVA" not in page
    assert "from 10 trained trials on" in page


def test_a_search_without_a_result_has_a_page_too(outcome, request_):
    nothing = replace(outcome, best=None, handed_over=None, advice=[], finalists=[])
    page = render_page(nothing, optuna.create_study(), request_, again="")
    assert "<img" not in page


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole_without_asking_anyone(html, tmp_path, chromium, width):
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    asked, said = [], []
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: said.append(m.text))
    page.on("dialog", lambda d: said.append(d.message))
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sideways = "[...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(page.evaluate(sideways)) == 0
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])"
    )
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert all(natural > 0 and 250 < shown <= width for natural, shown in pictures)


def test_what_is_expected_of_fewer_trials_is_what_draws_give():
    values = np.array([0.9, 0.95, 0.96, 0.8, 0.97])
    mean, spread = expected_best(values)
    drawn = np.random.default_rng(0).choice(values, (100_000, 3)).max(axis=1)
    assert mean[2] == pytest.approx(drawn.mean(), abs=5e-4)
    assert spread[2] == pytest.approx(drawn.std(), abs=5e-4)
    assert mean[0] == pytest.approx(values.mean())


def test_a_trial_that_may_not_win_is_not_expected_as_the_best_of_any():
    """It counts, as one of the worst; a pruned one with what it had reached."""
    values = np.array([0.99, 0.95, 0.96, 0.955, 0.97])
    whole, over = np.array([0, 1, 1, 0, 1], bool), np.array([1, 0, 0, 0, 0], bool)
    of = Values("accuracy", values, whole, 4, excluded=over)
    assert of.chances.tolist() == [0.95, 0.95, 0.96, 0.955, 0.97]
    losses = Values("loss", 1 - values, whole, 4, maximize=False, excluded=over)
    assert losses.chances == pytest.approx([-0.05, -0.05, -0.04, -0.045, -0.03])


@pytest.mark.parametrize("maximize", [True, False])
def test_an_axis_begins_where_trials_differ(maximize):
    values = np.array([0.10, 0.95, 0.96, 0.97, 0.955, 0.965]) * (1 if maximize else -1)
    of = Values("accuracy", values, np.ones(6, dtype=bool), 3, maximize)
    low, high = of.limits() if maximize else [-end for end in of.limits()[::-1]]
    assert 0.92 < low < 0.95
    assert 0.97 < high < 0.98
    assert max(np.abs(of.limits(target=0.99 if maximize else -0.99))) > 0.99
