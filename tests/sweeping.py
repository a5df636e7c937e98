"""Searches as real commands, and what they left in Optuna's journal and in MLflow's store."""

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from tests.conftest import TIMEOUT_S, Store, environment, python
from tests.preloaded import Command

FAST = ("data=digits", "trainer.threads=1", "trainer.batch_size=64")
"""What makes a trial quick, and its numbers the same in every process."""

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
"""What a run is called in MLflow when its trial ended so in Optuna."""


def sweep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m src.sweep ARGUMENTS` in the folder `cwd`."""
    return python("-m", "src.sweep", *arguments, cwd=cwd)


def start_sweep(*arguments: str, cwd: Path) -> Command:
    """Start `python -m src.sweep ARGUMENTS` as the head of a process group of its own."""
    return Command(("src.sweep", *arguments), cwd=cwd, env=environment(), own_session=True)


def processes_of(session: int) -> dict[int, int]:
    """Return the living processes of a session and the parent of each."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, _, its_session, *_ = stat.read_text().rpartition(") ")[2].split()
            if int(its_session) == session and state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def wait_until(condition, *, within_s=TIMEOUT_S):
    """Return what the condition gives, as soon as that is true."""
    end = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.1)  # to ask a store takes a tenth of a second of the processor itself
    return found


def read_until(driver: Command, pattern: str) -> str:
    for line in driver.stdout:
        if re.match(pattern, line):
            return line
    raise AssertionError(f"no line like {pattern!r}: {driver.stderr.read()}")


def epochs_of(store: Store, kind: str, number: int) -> int:
    """Return how many epochs the running trial or confirmation has told, 0 without one."""
    if not (store.folder / "mlruns" / "mlflow.db").exists():
        return 0
    for run in store.runs():
        tagged = run.data.tags.get(f"{kind}.number") == str(number)
        if tagged and run.info.status == "RUNNING":
            return len(store.curve(run.info.run_id, "train_loss"))
    return 0


def end(driver: Command) -> tuple[int, str, str]:
    """Return how the driver ended and what it said, once all its processes are gone."""
    output, errors = driver.communicate(timeout=TIMEOUT_S)
    wait_until(lambda: not processes_of(driver.pid), within_s=20)
    return driver.returncode, output, errors


@contextmanager
def two_at_a_time(
    stories: dict[str, Callable[[Path], Any]],
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
) -> Iterator[dict[str, "Future[Any]"]]:
    """Tell stories on two cores, each in a folder of its own: those that collected tests need.

    stories: by the name of the fixture that gives what they return.
    """
    needed = {name for item in request.session.items for name in item.fixturenames}
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(story, factory.mktemp(name))
            for name, story in stories.items()
            if name in needed
        }


@dataclass(frozen=True)
class Sweep:
    """One sweep as both stores remember it."""

    folder: Path
    name: str

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def report(self) -> Path:
        return self.folder / "mlruns" / "sweeps" / self.name

    @property
    def study(self) -> optuna.Study:
        journal = JournalStorage(JournalFileBackend(str(self.folder / "mlruns/optuna.journal")))
        return optuna.load_study(study_name=self.name, storage=journal)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in any of the states; all of them if none is given."""
        return self.study.get_trials(states=states or None)

    @property
    def finished(self) -> list[FrozenTrial]:
        """The trials that count towards `n_trials`."""
        return self.trials(TrialState.COMPLETE, TrialState.PRUNED)

    def kept_trainer(self, run) -> dict:
        """Return the settings of the trainer that a run has kept."""
        kept = self.store.artifacts(run.info.run_id) / "config.yaml"
        return yaml.safe_load(kept.read_text())["trainer"]

    def assert_complete(self, n_trials: int) -> None:
        """Check that the budget was met exactly, and that nothing still claims to run."""
        assert len(self.finished) == n_trials
        assert [trial.number for trial in self.trials()] == list(range(len(self.trials())))
        assert not self.trials(TrialState.RUNNING)
        assert {run.info.status for run in self.store.runs()} <= {"FINISHED", "KILLED", "FAILED"}
        assert self.parent.info.status == "FINISHED"
        self.assert_agreement()

    @property
    def stopped(self) -> set[int]:
        """Numbers of the trials whose values were put in line again."""
        trials = self.trials()
        return {t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs}

    @property
    def parent(self):
        """The run of the whole sweep; others may only be cut off before they were known."""
        run_id = self.study.user_attrs["parent"]
        for run in self.store.runs():
            tags = run.data.tags
            a_parent = tags.get("sweep") == self.name and "mlflow.parentRunId" not in tags
            if a_parent and run.info.run_id != run_id:
                assert run.info.status == "KILLED"
        return self.store.client.get_run(run_id)

    def below(self) -> list:
        """Return the runs below the parent."""
        parent = self.parent.info.run_id
        runs = self.store.runs()
        return [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]

    def children(self) -> dict[int, object]:
        """Return the runs of the trials by number; no number has two."""
        runs = [run for run in self.below() if "trial.number" in run.data.tags]
        by_number = {int(run.data.tags["trial.number"]): run for run in runs}
        assert len(by_number) == len(runs)
        return by_number

    def confirmations(self, best: int) -> dict[int, object]:
        """Return the runs that confirm a trial, by number; no number has two that finished."""
        name = f"#{best:03} seed "
        runs = [run for run in self.below() if run.info.run_name.startswith(name)]
        by_number = {int(run.data.tags["confirmation.number"]): run for run in runs}
        assert len(by_number) == len(runs)
        return by_number

    def assert_agreement(self) -> None:
        """Compare Optuna and MLflow on every trial."""
        runs, stopped = self.children(), self.stopped
        trials = {trial.number: trial for trial in self.trials()}
        assert runs.keys() <= trials.keys()
        for number, trial in trials.items():
            if trial.state == TrialState.WAITING:
                assert number not in runs
                continue
            if number not in runs:  # ended before its training had begun
                assert trial.state == TrialState.FAIL
                assert not trial.intermediate_values
                continue
            run = runs[number]
            status = "KILLED" if number in stopped else STATUS[trial.state]
            assert run.info.status == status, (number, trial.state, run.info.status)
            assert run.info.run_name.startswith(f"#{number:03} ")
            if number not in stopped or "run_id" in trial.user_attrs:
                assert trial.user_attrs["run_id"] == run.info.run_id
                for key, value in trial.user_attrs["assignment"].items():
                    assert run.data.params[key] == str(value), (number, key)
            self._compare_numbers(trial, run)

    def _compare_numbers(self, trial: FrozenTrial, run) -> None:
        metrics = run.data.metrics
        if trial.state == TrialState.COMPLETE:
            assert trial.user_attrs["val_accuracy"] == metrics["best/val_accuracy"]
            assert trial.values[0] == metrics["best/val_accuracy"]
        if trial.intermediate_values and trial.number not in self.stopped:
            curve = self.store.curve(run.info.run_id, "val_accuracy")
            assert dict(curve) == trial.intermediate_values
