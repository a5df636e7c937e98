"""Compares Optuna's studies with MLflow's store, trial by trial, and mends what can be mended."""

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from src.config.settings import Tracking
from src.errors import ConfigError, SweepLockedError
from src.search.storage.open import open_studies
from src.search.study import stopped_trials, try_again
from src.tracking.connection import connect, database_file
from src.tracking.recovery import end_orphans, flush
from src.tracking.run import Status
from src.tracking.runs import detach_trial, finished_run, runs_below, was_deleted

STATUS: dict[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}
"""What the run of a trial is called in MLflow once the trial has ended so in Optuna."""


def reconcile(tracking: Tracking, storage: str | None = None) -> tuple[list[str], list[str]]:
    """Return what was mended, and what is wrong and cannot be mended, a line each.

    storage: address of the studies, None: the journal in the folder of the tracking.

    Optuna has the last word on how a trial ended, because budgets are counted there. A sweep that a
    driver works on just now is left alone. Raises ConfigError where there is no store.
    """
    file = database_file(tracking)
    if file is not None and not file.exists():
        raise ConfigError(f"`tracking.folder`={tracking.folder}: nothing is tracked there yet")
    store = connect(tracking)
    studies = open_studies(store.folder, storage)
    mended, wrong = [*end_orphans(store), *flush(store)], []
    for name in studies.names():
        try:
            with studies.lock(name) as locked:
                study = optuna.load_study(study_name=name, storage=locked)
                mended += [f"sweep {name}: {line}" for line in mend(study, tracking)]
                wrong += [f"sweep {name}: {line}" for line in _differences(study, tracking)]
        except SweepLockedError:
            mended.append(f"sweep {name}: a driver works on it; left alone")
    return mended, wrong


def mend(study: optuna.Study, tracking: Tracking) -> Iterator[str]:
    """Mend the states of trials and of their runs; yield a line for each.

    The caller keeps drivers from working on the study meanwhile.
    """
    for trial in study.get_trials(states=[TrialState.RUNNING], deepcopy=False):
        try_again(study, trial, reason="its driver died")
        yield f"trial {trial.number} had no driver any more; its values are in line again"
    runs, trials = _runs(study, tracking), study.get_trials(deepcopy=False)
    told = {trial.user_attrs["run_id"] for trial in trials if "run_id" in trial.user_attrs}
    untold = {
        int(run.data.tags["trial.number"]): run_id
        for run_id, run in runs.items()
        if run_id not in told and "trial.number" in run.data.tags
    }
    stopped = stopped_trials(study)
    for trial in trials:
        run_id = trial.user_attrs.get("run_id") or untold.pop(trial.number, None)
        status = _status(trial, stopped)
        if run_id in runs and status is not None and runs[run_id].info.status != status:
            finished_run(tracking, run_id).finish(status)
            was = runs[run_id].info.status
            yield f"trial {trial.number} is {trial.state.name}; its run was {was}, is {status} now"
    for number, run_id in untold.items():
        detach_trial(tracking, run_id, reason="its worker died before it could tell of it")
        yield f"run {run_id} is an attempt at trial {number} nobody heard of; set aside as KILLED"


def _differences(study: optuna.Study, tracking: Tracking) -> Iterator[str]:
    """Say where numbers differ, or one of the two is gone."""
    parent = study.user_attrs.get("parent")
    if was_deleted(tracking, parent):
        yield f"its own run {parent} was deleted; restore it, or search again with fresh=true"
    runs = _runs(study, tracking)
    for trial in study.get_trials(states=[TrialState.COMPLETE], deepcopy=False):
        trial_run = trial.user_attrs["run_id"]
        run = runs.get(trial_run)
        if run is None:
            yield (
                f"trial {trial.number} is COMPLETE, but its run {trial_run} is not in the store; "
                "restore it there if it was deleted"
            )
            continue
        ours, theirs = trial.user_attrs["val_accuracy"], run.data.metrics.get("best/val_accuracy")
        if ours != theirs:
            yield f"trial {trial.number} has val_accuracy {ours}, its run {trial_run} has {theirs}"


def _runs(study: optuna.Study, tracking: Tracking) -> dict[str, Any]:
    parent = study.user_attrs.get("parent")
    return {run.info.run_id: run for run in runs_below(tracking, parent)} if parent else {}


def _status(trial: FrozenTrial, stopped: set[int]) -> Status | None:
    return "KILLED" if trial.number in stopped else STATUS.get(trial.state)
