"""Runs of a sweep that somebody deleted: what is gone is said, with a command that works."""

import shlex

import pytest

from tests.conftest import python
from tests.sweeping import FAST, Sweep, sweep

pytestmark = pytest.mark.long

SEARCH = (
    *("name=mine", *FAST, "model=linear", "optimizer.lr=choice(0.001,0.03)", "executor=serial"),
    *("trainer.max_epochs=2", "n_trials=2", "target=null", "confirm.seeds=0", "refit.seeds=0"),
)


def test_a_sweep_without_its_best_run_and_then_without_its_own(tmp_path):
    assert sweep(*SEARCH, cwd=tmp_path).returncode == 0
    mine = Sweep(tmp_path, "mine")
    parent = mine.parent
    best = mine.children()[int(parent.data.tags["best_trial"])].info.run_id

    mine.store.delete(best, for_good=False)
    again = sweep(*SEARCH, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "run deleted from the store" in again.stdout
    assert best not in again.stdout
    [told] = [line for line in again.stdout.splitlines() if line.startswith("train it again with")]
    command = shlex.split(told.split("python ")[1])
    trained = python(*command, "trainer.max_epochs=1", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr

    mine.store.delete(parent.info.run_id, for_good=True)
    refused = sweep(*SEARCH, cwd=tmp_path)
    [line] = refused.stderr.splitlines()
    assert refused.returncode == 2
    assert f"own run {parent.info.run_id} was deleted" in line
    assert "fresh=true" in line
    assert sweep(*SEARCH, "fresh=true", cwd=tmp_path).returncode == 0
