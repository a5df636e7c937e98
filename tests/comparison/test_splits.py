"""Contenders trained anew on other splits of the same rows."""

import re
import signal
import sys
from inspect import Signature
from pathlib import Path
from types import ModuleType

import pytest
from scipy import stats

from src.comparison.contenders import select
from src.comparison.settings import ContenderSelection
from src.comparison.splits import train_over_splits
from src.config.plan import make_plan
from src.data.digits import Digits
from src.errors import ConfigError
from tests.comparison.conftest import train_into
from tests.conftest import environment, python
from tests.data.tables import as_text, digit_rows, write
from tests.plans import dataset_of, plan_of, stored_runs, train_plan
from tests.preloaded import Command

pytestmark = pytest.mark.long


def split_runs(contest):
    return contest.store.client.search_runs(["1"], "tags.`comparison.split` LIKE '%'")


def refused(contest, *ids, splits=2, **which):
    stored = stored_runs(contest.tracking)
    selection = select(stored, ContenderSelection(runs=list(ids), **which))
    with pytest.raises(ConfigError) as error:
        train_over_splits(stored, selection, splits, say=lambda text: None, check_stop=lambda: None)
    assert split_runs(contest) == []
    return str(error.value)


def asked(contest, splits):
    both = f"compare.runs=[{contest.ids['unseen']},{contest.ids['poor']}]"
    return ("-m", "src.compare", both, f"compare.splits={splits}")


def test_the_command_trains_on_splits_says_so_and_takes_what_is_there(own_contest):
    done = python(*asked(own_contest, 2), cwd=own_contest.folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[1:5]] == [f"{n} of 4" for n in (1, 2, 3, 4)]
    assert "over 2 splits of the same rows, " in lines[5]
    assert "corrected resampled t test" in done.stdout
    runs = split_runs(own_contest)
    assert {run.data.tags["comparison.split"] for run in runs} == {"1", "2"}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {
        own_contest.ids["unseen"],
        own_contest.ids["poor"],
    }
    assert not any("test.looks" in run.data.tags for run in runs)
    assert len({run.data.tags["digest.split"] for run in runs}) == 2

    again = python(*asked(own_contest, 2), cwd=own_contest.folder)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(", was there\n") == 4
    assert len(split_runs(own_contest)) == 4
    assert again.stdout.splitlines()[5] == lines[5]
    chosen = select(stored_runs(own_contest.tracking), ContenderSelection()).contenders
    assert not {run.id for c in chosen for run in c.runs} & {run.info.run_id for run in runs}

    # the p-value of the two splits, from the runs in the store, by the formula
    of = {
        (run.data.tags["mlflow.parentRunId"], run.data.tags["comparison.split"]): run.data.metrics
        for run in runs
    }
    gaps = [
        of[own_contest.ids["unseen"], n]["best/val_accuracy"]
        - of[own_contest.ids["poor"], n]["best/val_accuracy"]
        for n in ("1", "2")
    ]
    made = own_contest.store.client.search_runs(["1"], "metrics.`compared/splits_accuracy_1` > 0")
    found = made[0].data.metrics
    mean = sum(gaps) / 2
    assert found["compared/splits_difference_1_less_2"] == pytest.approx(mean)
    dataset = dataset_of(plan_of("data=digits"))
    ratio = len(dataset.validation) / len(dataset.train)
    variance = (gaps[0] - gaps[1]) ** 2 / 2 * (1 / 2 + ratio)
    expected = 2 * stats.t.sf(abs(mean) / variance**0.5, 1)
    assert found["compared/splits_p_holm_1_less_2"] == pytest.approx(expected)


def test_no_split_is_the_contenders_own_nor_has_one_of_their_test_images(own_contest):
    quick = ("data.split_seed=1", "trainer.max_epochs=1")
    ids = [train_into(own_contest.tracking, *quick, f"model={m}") for m in ("linear", "dnn")]
    stored = stored_runs(own_contest.tracking)
    selection = select(stored, ContenderSelection(runs=ids))
    found = train_over_splits(stored, selection, 2, say=lambda text: None, check_stop=lambda: None)
    assert found.sizes == (1079, 359)
    tests = {image.tobytes() for image in Digits(split_seed=1).load_test().pixels}
    for run in split_runs(own_contest):
        number = run.data.tags["comparison.split"]
        assert number in {"2", "3"}
        dataset = Digits(split_seed=int(number)).load()
        assert run.data.tags["digest.split"] == dataset.split_digest
        used = [*dataset.train.pixels, *dataset.validation.pixels]
        assert not tests & {image.tobytes() for image in used}


def test_ctrl_c_ends_it_tidily_and_says_how_to_go_on(own_contest):
    _, *words = asked(own_contest, 50)
    process = Command(words, cwd=own_contest.folder, env=environment())
    for line in process.stdout:
        if line.startswith("1 of 100"):
            break
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "of 100 trainings are there; the same command trains the others" in said
    ended = [run.info.status for run in split_runs(own_contest)]
    assert set(ended) <= {"FINISHED", "KILLED"}
    assert ended.count("FINISHED") == int(re.findall(r"(\d+) of 100 trainings are", said)[0])


def test_what_cannot_be_split_anew_is_refused_before_any_training(own_contest, tmp_path):
    ids = own_contest.ids
    assert "on the same rows" in refused(
        own_contest, ids["dnn 1"], ids["other split"], unpaired=True
    )
    assert "needs two configurations" in refused(own_contest, ids["dnn 1"], ids["dnn 2"])
    table = write(tmp_path / "digits.csv", as_text(digit_rows(600)))
    data = ("data=csv", f"data.path={table}", "trainer.max_epochs=1")
    gone = [train_into(own_contest.tracking, *data, f"model={name}") for name in ("linear", "dnn")]
    Path(table).unlink()
    said = refused(own_contest, *gone)
    assert said.startswith("`compare.splits`=2: linear")
    assert "\n" not in said
    done = python("-m", "src.compare", "compare.splits=1", cwd=own_contest.folder)
    assert done.returncode == 2
    assert "`compare.splits`=1: " in done.stderr


class OneSplit(Digits):
    """A data source of one's own, which has but one split, whatever it is told."""

    __module__ = "src.data.one_split"
    __signature__ = Signature()


def test_a_source_without_split_seed_is_refused(own_contest, monkeypatch):
    own = ModuleType("src.data.one_split")
    own.OneSplit = OneSplit
    monkeypatch.setitem(sys.modules, "src.data.one_split", own)
    ids = []
    for model in ("linear", "dnn"):
        folder = f"tracking.folder={own_contest.tracking.folder}"
        plan = plan_of("data=digits", f"model={model}", "trainer.max_epochs=1", folder)
        config = {**plan.config, "data": {"_target_": "src.data.one_split.OneSplit"}}
        ids.append(train_plan(make_plan(config, choices=plan.choices)).run_id)
    assert "a data source without `split_seed`" in refused(own_contest, *ids)
