"""The run that stands for a whole sweep in the tracking store; its trials are its children."""

import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna

from src.config.plan import Plan
from src.data.source import Dataset
from src.errors import RunGone, TrackingError
from src.process.signals import StopRequest
from src.search.mending import mend
from src.search.note import best_values, describe_search
from src.search.outcome import Outcome
from src.search.request import Request
from src.search.settings import SweepSettings
from src.search.study import best_first, best_so_far
from src.tracking.connection import Store
from src.tracking.run import Run
from src.tracking.runs import end_children, existing_run, reopen_run, start_run
from src.training.description import data_tags, describe_data, describe_images

STATES = ("COMPLETE", "PRUNED", "FAIL", "STOPPED", "WAITING")


@contextmanager
def open_parent(
    study: optuna.Study,
    plan: Plan,
    settings: SweepSettings,
    dataset: Dataset,
    store: Store,
    *,
    stop: StopRequest,
) -> Iterator[Run]:
    """Hold the sweep's run open, new or from an earlier session; its end follows from the work.

    What a dead driver left is mended first, and said.
    """
    run_id = study.user_attrs.get("parent")
    if run_id is None:
        run = _start(study, plan, settings, dataset, store)
        study.set_user_attr("parent", run.id)
    else:
        try:
            run = reopen_run(store, run_id, data=data_tags(plan, dataset), config=None)
        except RunGone as error:
            raise RunGone(
                f"`name`={study.study_name}: the sweep's own run {run_id} was deleted from the "
                "store; restore it, or start again with fresh=true, which keeps the old trials"
            ) from error
        end_children(store, run_id, reason="its driver died")
        for line in mend(study, store):
            print(line)
    try:
        yield run
    except BaseException as error:
        run.finish("FAILED", reason=str(error) or repr(error))
        raise
    _end_children(study, store, run.id)
    if stop.interrupted:
        run.finish("KILLED", reason=str(stop.interrupted))
    elif not best_first(study):
        run.finish("FAILED", reason="no trial was finished that may win")
    else:
        run.finish("FINISHED")


def _end_children(study: optuna.Study, store: Store, parent: str) -> None:
    """End what a worker had begun and died before it could tell; no worker is left by now."""
    try:
        end_children(store, parent, reason="its worker died")
        deque(mend(study, store), maxlen=0)
    except TrackingError as error:  # the next session does it
        print(error, file=sys.stderr)


def log_outcome(
    run: Run, study: optuna.Study, store: Store, outcome: Outcome, request: Request
) -> None:
    """Leave numbers, verdict, note, report and the winner's pictures on the sweep's run."""
    counts, verdict, settings = outcome.counts, outcome.verdict, request.settings
    metrics = {f"trials/{state.lower()}": float(counts.get(state, 0)) for state in STATES}
    for name in ("mean", "spread", "low", "high"):
        if (value := getattr(verdict, name)) is not None:
            metrics[f"confirmed/{name}"] = round(value, 4)  # the UI shows every digit there is
    metrics |= {
        "seconds/wall": round(outcome.seconds, 2),
        "workers/utilisation": round(outcome.utilisation, 3),
    }
    for objective, value in zip(settings.objective, outcome.best_values or [], strict=False):
        metrics[f"best/{objective.metric}"] = value
    run.log_metrics({**metrics, **(outcome.test or {})})
    for finished, value in best_so_far(study).items():
        run.log_metrics({f"best_so_far/{settings.objective[0].metric}": value}, step=finished)
    run.set_tags(
        {
            "verdict": verdict.answer,
            "stop_reason": outcome.stop_reason,
            "best_trial": str(outcome.best),
            "handed_over": str(outcome.handed_over),
            "budget": f"{outcome.finished} of {settings.n_trials} trials",
            "mlflow.note.content": describe_search(outcome, request),
            **best_values(outcome, request),
        }
    )
    with tempfile.TemporaryDirectory() as draft:
        shutil.copytree(outcome.folder, Path(draft) / "sweep")
        if outcome.best_run is not None:
            try:
                existing_run(store, outcome.best_run).fetch("figures", Path(draft))
            except TrackingError as error:  # the store is unreachable; the report is on the disk
                print(f"the sweep's run has no pictures: {error}", file=sys.stderr)
        run.log_files(Path(draft))


def _start(
    study: optuna.Study,
    plan: Plan,
    settings: SweepSettings,
    dataset: Dataset,
    store: Store,
) -> Run:
    definition: Mapping[str, Any] = study.user_attrs["definition"]
    searched = {k: v for k, v in definition.items() if k.startswith("space.")}
    return start_run(
        store,
        name=study.study_name,
        params={
            **searched,
            "objective": ", ".join(definition["objective"]),
            "target": settings.target,
            "n_trials": settings.n_trials,
            "seed": settings.seed,
        },
        tags={
            "sweep": study.study_name,
            "mlflow.source.name": "src.sweep",
            "mlflow.note.content": f"A search on {describe_images(plan, dataset)}",
            **data_tags(plan, dataset),
        },
        data=describe_data(plan, dataset),
        config=definition,
    )
