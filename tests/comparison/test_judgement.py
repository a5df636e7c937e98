"""What predictions say of two models: against statsmodels, and in words."""

import re

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from src.comparison.contenders import Contender, select
from src.comparison.judgement import (
    Predictions,
    contender_score,
    judge,
    load_predictions,
    p_text,
    points,
    sentence,
)
from src.comparison.settings import ContenderSelection
from src.errors import ConfigError
from src.stats.intervals import wilson_interval
from src.tracking.queries import StoredRun
from tests.comparison.conftest import train_into
from tests.data.tables import as_text, digit_rows, write
from tests.plans import stored_runs


def predictions(*rights: np.ndarray, images: str = "same") -> Predictions:
    """Return predictions of two classes that are right where asked; all labels are 0."""
    right = np.stack(rights)
    probabilities = np.where(right[..., None], [0.9, 0.1], [0.2, 0.8]).astype(np.float32)
    labels = np.zeros(right.shape[1], dtype=np.int64)
    return Predictions(labels, probabilities, ("yes", "no"), images)


def share(rate: float, images: int = 1000) -> np.ndarray:
    return np.arange(images) < rate * images


def contenders(*numbers: int) -> list[Contender]:
    def run(seed: int) -> StoredRun:
        return StoredRun("x", "x", "FINISHED", 0, {"seed": str(seed)}, {}, {}, None)

    return [Contender("abc"[i], tuple(map(run, range(n)))) for i, n in enumerate(numbers)]


def test_stored_predictions_give_the_runs_own_accuracy_and_statsmodels_p_value(contest, tmp_path):
    stored = stored_runs(contest.tracking)
    selection = select(
        stored, ContenderSelection(runs=[contest.ids["dnn 1"], contest.ids["linear"]])
    )
    found = load_predictions(stored, selection, tmp_path)
    for contender, some in zip(selection.contenders, found, strict=True):
        score, metrics = contender_score(some), contender.shown.metrics
        assert score.accuracy == metrics["test/accuracy"]
        assert (score.low, score.high) == pytest.approx(
            (metrics["test/accuracy_low"], metrics["test/accuracy_high"])
        )
        assert score.log_loss == pytest.approx(metrics["test/log_loss"])
    [pair] = judge(found)
    dnn, linear = (some.right[0] for some in found)
    table = [[(dnn & linear).sum(), (dnn & ~linear).sum()], [(~dnn & linear).sum(), 0]]
    assert pair.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert pair.difference == pytest.approx(dnn.mean() - linear.mean())
    assert pair.low < pair.difference < pair.high
    assert pair.method == "McNemar"


@pytest.fixture
def moved_test_file(own_contest, tmp_path):
    """Return two seeds of one configuration, between which the test file got another content."""
    rows = digit_rows()
    table = write(tmp_path / "digits.csv", as_text(rows[:600]))
    ids = []
    for seed, first in ((1, 600), (2, 900)):
        tests = write(tmp_path / "test.csv", as_text(rows[first : first + 300]))
        data = ("data=csv", f"data.path={table}", f"data.test_path={tests}")
        ids.append(train_into(own_contest.tracking, *data, "model=linear", f"seed={seed}"))
    return stored_runs(own_contest.tracking), ids


def test_each_seed_is_scored_against_its_own_test_labels(moved_test_file, tmp_path):
    stored, ids = moved_test_file
    selection = select(stored, ContenderSelection(runs=ids, split="test", unpaired=True))
    assert [[run.id for run in c.runs] for c in selection.contenders] == [[id_] for id_ in ids]
    found = load_predictions(stored, selection, tmp_path)
    scores = [contender_score(some).accuracy for some in found]
    assert scores == [stored.get(id_).metrics["test/accuracy"] for id_ in ids]
    assert judge(found)[0].method == "Fisher"


def test_seeds_with_different_test_images_are_compared_on_these_only_when_asked(moved_test_file):
    stored, ids = moved_test_file
    with pytest.raises(ConfigError, match="scored on different test images") as error:
        select(stored, ContenderSelection(runs=ids, split="test"))
    for id_ in ids:
        assert stored.get(id_).tags["digest.test"][:12] in str(error.value)
    selection = select(stored, ContenderSelection(runs=ids))
    assert selection.split == "validation"
    assert "looked at different test images" in selection.notes[0]


def test_several_seeds_are_a_mean_with_a_t_interval_not_the_best_of_them(contest, tmp_path):
    stored = stored_runs(contest.tracking)
    selection = select(stored, ContenderSelection())
    dnn, linear = load_predictions(stored, selection, tmp_path)
    accuracies = [run.metrics["test/accuracy"] for run in selection.contenders[0].runs]
    score = contender_score(dnn)
    assert score.accuracy == pytest.approx(np.mean(accuracies))
    assert score.seeds == pytest.approx(accuracies)
    assert judge([dnn, linear])[0].method == "seeds and images"
    assert len(contender_score(linear).seeds) == 1


def test_a_winner_is_named_first_with_a_positive_difference():
    worse, better = predictions(share(0.9)), predictions(share(0.96))
    [pair] = judge([worse, better])
    said = sentence(pair, contenders(1, 1), images=[1000, 1000])
    assert said.startswith("b beats a by 6.0 points (95 % interval ")
    assert said.endswith("p < 1e-6; one run of each says nothing about other seeds")
    low, high = (float(x) for x in said.split("interval ")[1].split(")")[0].split(" to "))
    assert 0 < low < 6.0 < high


def test_what_is_undecided_says_so_and_how_many_images_would_decide():
    flips = share(0.03) ^ (np.arange(1000) >= 980)
    one = predictions(share(0.9))
    other = predictions(share(0.9) ^ flips)
    [pair] = judge([one, other])
    assert pair.answer == "undecided"
    said = sentence(pair, contenders(1, 1), images=[1000, 1000])
    assert said.startswith("undecided: b is ahead of a by ") or said.startswith("undecided: a is")
    assert "on 1,000 images" in said
    assert "more images would decide it" in said
    assert "one run of each says nothing about other seeds" in said


def test_of_two_that_are_level_none_is_ahead():
    one, other = share(0.9), np.roll(share(0.9), 10)
    [pair] = judge([predictions(one), predictions(other)])
    said = sentence(pair, contenders(1, 1), images=[1000, 1000])
    assert said.startswith("undecided: a and b have the same accuracy on 1,000 images (95 % ")


def test_seeds_that_have_not_decided_it_are_not_said_to_be_enough():
    rng = np.random.default_rng(2)
    image = rng.random(20_000)
    pairs = [(image < rate, image < rate - 0.006) for rate in (0.960, 0.962)]
    one, other = zip(*pairs, strict=True)
    [pair] = judge([predictions(*one), predictions(*other)])
    assert pair.answer == "undecided"
    needed = re.search(r"about (\d+) seeds of each would", pair.hint)
    assert needed
    assert int(needed[1]) == 3


def test_what_differs_by_less_than_the_margin_is_equivalent():
    right = share(0.9, 100_000)
    other = right.copy()
    other[:10] = False
    [pair] = judge([predictions(right), predictions(other)], margin=0.001)
    assert pair.answer == "equivalent"
    said = sentence(pair, contenders(1, 1), images=[100_000, 100_000])
    assert said.startswith("a and b are equivalent within 0.10 points (they differ by 0.01, 90 %")
    [without] = judge([predictions(right), predictions(other)])
    assert without.answer == "better"


def test_a_configuration_trained_once_is_not_beaten_by_the_luck_of_its_seed():
    """Its seeds vary too: a difference the seeds of the other could make decides nothing."""
    rng = np.random.default_rng(12)
    image = rng.random(5000)
    several = [image < rate for rate in (0.970, 0.964, 0.967, 0.973, 0.962)]
    [pair] = judge([predictions(*several), predictions(image < 0.961)])
    assert pair.answer == "undecided"
    assert "seeds of each would decide it" in sentence(pair, contenders(5, 1), images=[5000])
    [pair] = judge([predictions(*several), predictions(image < 0.9)])
    assert pair.answer == "better"


def test_three_pairs_are_corrected_and_the_corrected_value_decides():
    one = predictions(share(0.900))
    other = predictions(share(0.907))  # p = 0.016 by itself
    third = predictions(share(0.9075, 1000))
    alone = judge([one, other])[0]
    among_others = judge([one, other, third])[0]
    assert alone.decided
    assert among_others.p_value == alone.p_value
    assert among_others.p_holm > alone.p_holm


def test_runs_on_different_images_are_compared_as_independent():
    first = predictions(share(0.95), images="these")
    second = predictions(share(0.80, 500), images="those")
    [pair] = judge([first, second])
    assert pair.method == "Fisher"
    assert pair.counts is None
    assert pair.decided
    assert "1,000 and 500 images" not in sentence(pair, contenders(1, 1), images=[1000, 500])
    [equal] = judge([first, predictions(share(0.948, 500), images="those")])
    assert "1,000 and 500 images" in sentence(equal, contenders(1, 1), images=[1000, 500])


def test_one_run_has_wilsons_interval():
    score = contender_score(predictions(share(0.9)))
    assert (score.low, score.high) == wilson_interval(900, 1000)


@pytest.mark.parametrize(
    ("value", "said"), [(0.0588, "5.9"), (-0.0588, "−5.9"), (0.0012, "0.12"), (-0.00001, "0.00")]
)
def test_points_have_the_digits_that_count(value, said):
    assert points(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(1e-9, "p < 1e-6"), (2.14e-5, "p = 2.1e-05"), (0.0213, "p = 0.021")]
)
def test_p_values_are_not_spelled_out_to_nothing(value, said):
    assert p_text(value) == said
