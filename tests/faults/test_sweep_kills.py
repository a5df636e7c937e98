"""Searches that are interrupted and killed: nothing lost, nothing doubled, nothing left running."""

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from tests.conftest import Store
from tests.preloaded import Command
from tests.sweeping import (
    FAST,
    Sweep,
    end,
    epochs_of,
    processes_of,
    read_until,
    start_sweep,
    sweep,
    two_at_a_time,
    wait_until,
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the processes of Linux"),
]

WORKERS = {
    "serial": ("executor=serial",),
    "processes": ("executor=processes", "executor.workers=2"),
}
ADHOC = (*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "sampler=random")


@dataclass(frozen=True)
class Killed:
    """How the driver of a search with killed workers ended, and what it said."""

    found: Sweep
    code: int
    output: str
    errors: str


def workers_of(driver: int) -> list[int]:
    """Return the processes that the driver's server has forked."""
    alive = processes_of(driver)
    return [pid for pid, parent in alive.items() if alive.get(parent) == driver]


def kill_workers(folder: Path) -> Killed:
    """Kill the worker of trial 0 twice, of trial 1 once, and of the confirmation once."""
    found = Sweep(folder, "killed")
    arguments = (*ADHOC, "name=killed", "n_trials=2", "trainer.max_epochs=80")
    arguments = (*arguments, "confirm.top=1", "confirm.seeds=1", "pruner=none")
    driver = start_sweep(*arguments, "executor=processes", "executor.workers=1", cwd=found.folder)
    killed: set[int] = set()

    def kill_worker() -> None:
        [worker] = workers_of(driver.pid)
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
        wait_until(lambda: set(workers_of(driver.pid)) - killed)

    for number, epochs in ((0, 3), (0, 30), (1, 3)):
        wait_until(lambda n=number, e=epochs: epochs_of(found.store, "trial", n) >= e)
        kill_worker()
    wait_until(lambda: epochs_of(found.store, "confirmation", 0) >= 3)
    kill_worker()
    return Killed(found, *end(driver))


def test_a_killed_worker_costs_its_trial_one_more_try(killed_workers):
    found = killed_workers.found
    assert (killed_workers.code, killed_workers.errors) == (0, "")
    found.assert_complete(2)
    states = [trial.state for trial in found.trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert found.trials()[0].user_attrs["end_reason"] == "its worker died"
    assert found.children()[0].data.tags["end_reason"] == "its worker died"
    for trial in found.finished:
        assert sorted(trial.intermediate_values) == list(range(1, 81))


def test_a_killed_worker_costs_its_confirmation_one_more_try(killed_workers):
    found, output = killed_workers.found, killed_workers.output
    assert " seed 1: its worker died" in output
    again = [run for run in found.below() if "confirmation.number" in run.data.tags]
    assert {run.info.status for run in again} == {"FAILED", "FINISHED"}
    assert len(found.below()) == 3 + 2 + 1


def interrupt(found: Sweep, driver: Command, name: str) -> dict[int, FrozenTrial]:
    """Send a signal to all of a search's processes, check its end, return what was finished."""
    os.killpg(driver.pid, signal.Signals[name])  # as a terminal or a scheduler does
    code, output, errors = end(driver)
    assert code == {"SIGINT": 130, "SIGTERM": 143}[name]
    assert errors == f"stopped by {name}\n"
    assert "the same command goes on from here" in output
    assert found.parent.info.status == "KILLED"
    assert found.parent.data.tags["stop_reason"] == f"stopped by {name}"
    assert (found.report / "summary.json").exists()
    assert not found.trials(TrialState.RUNNING)
    assert {run.info.status for run in found.store.runs()} <= {"FINISHED", "KILLED", "FAILED"}
    found.assert_agreement()
    return {trial.number: trial for trial in found.finished}


def interrupt_twice(folder: Path) -> None:
    """Start a search twice, end the one that runs by two signals, and let it end."""
    found = Sweep(folder, "killed")
    arguments = (*ADHOC, "name=killed", "n_trials=6", "confirm.seeds=1", "pruner=none")
    arguments = (*arguments, "trainer.max_epochs=30")
    drivers = [start_sweep(*arguments, *WORKERS["processes"], cwd=found.folder) for _ in range(2)]
    wait_until(lambda: any(driver.poll() is not None for driver in drivers))
    refused, driver = sorted(drivers, key=lambda driver: driver.poll() is None)
    code, output, errors = end(refused)
    assert (code, output) == (2, "")
    [line] = errors.splitlines()
    assert line.startswith("error: `name`=killed: another process is working on this sweep")

    read_until(driver, "trial +[01] ")
    for worker in workers_of(driver.pid):  # their trials then wait for new workers
        os.kill(worker, signal.SIGKILL)
    time.sleep(0.1)
    first = interrupt(found, driver, "SIGINT")
    driver = start_sweep(*arguments, *WORKERS["serial"], cwd=found.folder)
    read_until(driver, "trial ")
    second = interrupt(found, driver, "SIGTERM")
    done = sweep(*arguments, cwd=found.folder)
    assert done.returncode == 0, done.stderr
    found.assert_complete(6)
    finished = {trial.number: trial for trial in found.finished}
    assert 1 <= len(first) < len(second) < 6
    assert first.items() <= second.items() <= finished.items()


def kill_driver(folder: Path, *, kills: int, workers: str, seed: int) -> None:
    """Kill the driver of a search again and again, then let it end, and check what is there.

    The last kills come in the confirmation and in the training on all rows.
    """
    found = Sweep(folder, "killed")
    random_moments = random.Random(seed)
    n_trials = 2 * kills + 2
    arguments = (
        *(*ADHOC, "name=killed", f"n_trials={n_trials}", "confirm.top=1", "confirm.seeds=1"),
        *("trainer.max_epochs=8", "pruner=median", *WORKERS[workers]),
    )
    finished: dict[int, FrozenTrial] = {}
    for stage in (*["trial"] * (kills - 1), "confirmation", "refit"):
        driver = start_sweep(*arguments, cwd=found.folder)
        if stage != "trial":
            wait_until(partial(is_training_or_gone, found.store, driver, stage))
        else:
            if random_moments.random() < 0.8:  # else anywhere, also while it starts
                with contextlib.suppress(AssertionError):  # all trials are done
                    read_until(driver, "trial ")
            time.sleep(random_moments.uniform(0, 4))
        driver.kill()
        end(driver)
        now = trials_so_far(found)
        assert finished.items() <= now.items()
        finished = now
    assert len(finished) == n_trials
    trained = sum(trial.duration.total_seconds() for trial in finished.values())
    assert found.study.user_attrs["effort"]["wall"] > 0.5 * trained / 2, "two workers at the most"
    done = sweep(*arguments, cwd=found.folder)
    assert done.returncode == 0, done.stderr
    found.assert_complete(n_trials)
    assert trials_so_far(found) == finished
    assert not list((found.folder / "mlruns" / "runs").iterdir()), "left for nobody to resume"
    for number, run in found.children().items():
        steps = [step for step, _ in found.store.curve(run.info.run_id, "val_loss")]
        assert steps == list(range(1, len(steps) + 1)), number
    for stage in ("confirmation", "refit"):
        again = [run for run in found.below() if f"{stage}.number" in run.data.tags]
        first, *cut_off = sorted(run.info.status for run in again)
        assert first == "FINISHED"
        assert set(cut_off) <= {"KILLED"}
    assert [
        run.data.tags["test.looks"]
        for run in found.below()
        if "refit" in run.data.tags
        if run.info.status == "FINISHED"
    ] == ["1"]


def is_training_or_gone(store: Store, driver: Command, stage: str) -> bool:
    return driver.poll() is not None or epochs_of(store, stage, 0) > 0


def trials_so_far(found: Sweep) -> dict[int, FrozenTrial]:
    """Return the finished trials by number, also of a search that had hardly begun."""
    with contextlib.suppress(KeyError):
        if (found.folder / "mlruns" / "optuna.journal").exists():
            return {trial.number: trial for trial in found.finished}
    return {}


STORIES = {
    "killed_driver": partial(kill_driver, kills=2, workers="serial", seed=20),
    "interrupted": interrupt_twice,
    "killed_workers": kill_workers,
}


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    with two_at_a_time(STORIES, request, tmp_path_factory) as stories:
        yield stories


@pytest.fixture(scope="module")
def killed_workers(told) -> Killed:
    return told["killed_workers"].result()


@pytest.fixture(scope="module")
def interrupted(told) -> None:
    return told["interrupted"].result()


@pytest.fixture(scope="module")
def killed_driver(told) -> None:
    return told["killed_driver"].result()


@pytest.mark.usefixtures("interrupted")
def test_a_search_ended_by_signals_is_gone_on_with_and_has_one_driver_at_a_time():
    """What `interrupt_twice` checks as it goes."""


@pytest.mark.usefixtures("killed_driver")
def test_a_driver_killed_at_any_moment_is_gone_on_with_to_the_exact_total():
    """What `kill_driver` checks as it goes."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_thirty_kills_lose_and_double_nothing(tmp_path, seed):
    kill_driver(tmp_path, kills=5, workers=list(WORKERS)[seed % 2], seed=seed)
