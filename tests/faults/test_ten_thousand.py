"""Ten thousand trials of a trivial objective: memory flat, time a trial flat, opened in seconds."""

import resource
from time import perf_counter

import optuna
import pytest

from src.config.settings import Tracking
from src.search.storage.journal import open_journal
from src.tracking.connection import connect
from src.tracking.runs import runs_below
from tests.faults.trivial import milliseconds, search


@pytest.mark.slow
def test_ten_thousand_trials_cost_no_more_each_than_the_first_thousand(tmp_path):
    n_trials = 10_000
    clock = search(tmp_path, n_trials=n_trials)
    page = resource.getpagesize() / 2**20
    for number in (500, 1_000, 2_000, 5_000, 10_000):
        if number <= n_trials:
            print(
                f"{number:>6,} trials: {milliseconds(clock.times, around=number):6.1f} ms a trial, "
                f"{milliseconds(clock.processor, around=number):6.1f} ms of the processor, "
                f"{clock.memory[number - 1] * page:5.0f} MiB",
                flush=True,
            )
    began = perf_counter()
    study = optuna.load_study(study_name="many", storage=open_journal(tmp_path))
    trials = study.get_trials(deepcopy=False)
    journal_s = perf_counter() - began
    began = perf_counter()
    store = connect(Tracking(folder=tmp_path))
    first_page = store.client.search_runs([store.experiment_id], max_results=100)
    store_s = perf_counter() - began
    print(f"journal opens in {journal_s:.1f} s, store and its first 100 runs in {store_s:.1f} s")
    children = runs_below(store, study.user_attrs["parent"])
    assert len(first_page) == 100
    assert len(trials) == len(children) == n_trials
    assert {run.info.run_id for run in children} == {t.user_attrs["run_id"] for t in trials}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert journal_s < 10
    assert store_s < 10
    assert (clock.memory[-1] - clock.memory[999]) * page < 200
    before, at_last = (milliseconds(clock.processor, around=n) for n in (1_000, n_trials))
    assert at_last < 2 * before  # processor time, whatever else the machine does meanwhile
