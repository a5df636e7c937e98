"""Mends, where a driver or a worker died, what Optuna's study and MLflow's store say of trials."""

from collections.abc import Iterator

import optuna
from optuna.trial import TrialState

from src.search.study import stopped_trials, try_again
from src.tracking.connection import Store
from src.tracking.run import Status
from src.tracking.runs import detach_trial, existing_run, runs_below

STATUS: dict[TrialState, Status] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}
"""What the run of a trial is called in MLflow once the trial has ended so in Optuna."""


def mend(study: optuna.Study, store: Store) -> Iterator[str]:
    """Mend the states of trials and of their runs; yield a line for each.

    Optuna has the last word on how a trial ended, because budgets are counted there. The caller
    keeps drivers from working on the study meanwhile.
    """
    for trial in study.get_trials(states=[TrialState.RUNNING], deepcopy=False):
        try_again(study, trial, reason="its driver died")
        yield f"trial {trial.number} had no driver any more; its values are in line again"
    runs = {run.info.run_id: run for run in runs_below(store, study.user_attrs["parent"])}
    trials = study.get_trials(deepcopy=False)
    told = {trial.user_attrs["run_id"] for trial in trials if "run_id" in trial.user_attrs}
    untold = {
        int(run.data.tags["trial.number"]): run_id
        for run_id, run in runs.items()
        if run_id not in told and "trial.number" in run.data.tags
    }
    stopped = stopped_trials(study)
    for trial in trials:
        run_id = trial.user_attrs.get("run_id") or untold.pop(trial.number, None)
        status = "KILLED" if trial.number in stopped else STATUS.get(trial.state)
        if run_id in runs and status is not None and runs[run_id].info.status != status:
            outcome = "pruned" if trial.state == TrialState.PRUNED else None
            existing_run(store, run_id).finish(status, outcome=outcome)
            was = runs[run_id].info.status
            yield f"trial {trial.number} is {trial.state.name}; its run was {was}, is {status} now"
    for number, run_id in untold.items():
        detach_trial(store, run_id, reason="its worker died before it could tell of it")
        yield f"run {run_id} is an attempt at trial {number} nobody heard of; set aside as KILLED"
