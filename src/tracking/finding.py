"""Finds finished runs whose model can be used, and fetches what they left."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import yaml
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from src.errors import ConfigError, TrackingError
from src.settings import Tracking
from src.tracking.store import open_store

CHECKPOINT = "checkpoint/best.ckpt"
WITH_MODEL = "attributes.status = 'FINISHED' and metrics.`model/parameters` > 0"
"""Trainings, whether by themselves or in a sweep; a sweep's own run has no model."""


@final
@dataclass(frozen=True)
class FinishedRun:
    """A finished training: its name in the store and its best validation accuracy, 0..1."""

    run_id: str
    name: str
    model: str
    data: str
    val_accuracy: float


def finished_runs(settings: Tracking, *, most: int) -> list[FinishedRun]:
    """Return the finished trainings of the experiment, the newest first, `most` at the most.

    Raises TrackingError where nothing was tracked yet; the store is not created.
    """
    expect_store(settings)
    store = open_store(settings)
    found = store.client.search_runs(
        [store.experiment_id],
        WITH_MODEL,
        max_results=most,
        order_by=["attributes.start_time DESC"],
    )
    return [_described(run) for run in found]


def find_finished(settings: Tracking, run_id: str) -> FinishedRun:
    """Return the finished training with this id, or with an id that begins so.

    Raises ConfigError where there is none or more than one, TrackingError as `finished_runs`.
    """
    expect_store(settings)
    store = open_store(settings)
    try:
        run = store.client.get_run(run_id)
    except MlflowException:
        known = finished_runs(settings, most=1000)
        matches = [found for found in known if found.run_id.startswith(run_id)]
        if run_id and len(matches) == 1:
            return matches[0]
        problem = "is the beginning of several run ids" if matches else "there is no such run"
        raise ConfigError(f"`model`={run_id}: {problem}; {_choices(known)}") from None
    if run.info.status != "FINISHED" or "model/parameters" not in run.data.metrics:
        raise ConfigError(
            f"`model`={run_id}: is not a finished training (status {run.info.status}); "
            f"{_choices(finished_runs(settings, most=1000))}"
        )
    return _described(run)


def fetch_files(
    settings: Tracking, run_id: str, artifacts: Iterable[str], folder: Path
) -> list[Path]:
    """Copy artifacts of a run into a folder; raises TrackingError where one is gone."""
    client = open_store(settings).client
    try:
        return [Path(client.download_artifacts(run_id, name, str(folder))) for name in artifacts]
    except (MlflowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise TrackingError(
            f"run {run_id}: its files cannot be fetched ({said}); name another one with model="
        ) from error


def run_config(settings: Tracking, run_id: str) -> dict[str, Any]:
    """Return the resolved configuration a run was trained with; raises as `fetch_files`."""
    with tempfile.TemporaryDirectory() as folder:
        [path] = fetch_files(settings, run_id, ["config.yaml"], Path(folder))
        return yaml.safe_load(path.read_text())


def expect_store(settings: Tracking) -> None:
    """Raise TrackingError where there is no store to read from."""
    database = settings.folder / "mlflow.db"
    if settings.uri is None and not database.exists():
        raise TrackingError(
            f"`tracking.folder`={settings.folder}: nothing was tracked there yet; train a model "
            "first: python -m src.train"
        )


def _choices(known: list[FinishedRun]) -> str:
    if not known:
        return "there is no finished run; train a model first: python -m src.train"
    shown = ", ".join(f"{run.run_id[:8]} ({run.name})" for run in known[:3])
    return f"choose for instance {shown}; leave it out for the champion or the newest"


def _described(run: Run) -> FinishedRun:
    return FinishedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        model=run.data.tags.get("model", "model"),
        data=run.data.tags.get("data", "data"),
        val_accuracy=run.data.metrics.get("best/val_accuracy", float("nan")),
    )
