"""One training as the tracking store sees it: a run with explicit calls, no global state."""

import json
import math
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, final
from uuid import uuid4

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)

from src.errors import ConfigError
from src.settings import Tracking
from src.tracking.store import Store, make_folder, open_store

Status = Literal["FINISHED", "FAILED", "KILLED"]

MAX_DIGEST_LENGTH = 36
"""Longest dataset digest MLflow takes, in characters; the whole one is a tag."""

MAX_PARAM_LENGTH = 6000
"""Longest parameter value MLflow takes, in characters."""


@final
@dataclass(frozen=True)
class DataDescription:
    """The data a run trains on; digest is SHA-256 in hexadecimal, profile is free of form."""

    name: str
    digest: str
    source: str
    profile: Mapping[str, Any]


class Run(ABC):
    """Where a training leaves what it did; `folder` is its own working folder."""

    tracked: bool

    def __init__(self, run_id: str, folder: Path) -> None:
        self.id = run_id
        self.folder = folder

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log all metrics of one step in one batch; values that are not finite are left out."""

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one batch."""

    @abstractmethod
    def count_test_look(self) -> None:
        """Count one more look at the test images, in the tag `test.looks`."""

    @abstractmethod
    def log_files(self, folder: Path) -> None:
        """Copy every file below the folder, with its sub-folders, to the run's artifacts."""

    @abstractmethod
    def log_text(self, text: str, name: str) -> None:
        """Write a text as an artifact."""

    @abstractmethod
    def log_picture(self, picture: np.ndarray, *, key: str, step: int) -> None:
        """Log uint8 RGB `[H, W, 3]` as one step of a series for the step slider."""

    @abstractmethod
    def log_model(self, model: Any, *, example: np.ndarray, probabilities: np.ndarray) -> None:
        """Export an `nn.Module` in eval mode: float32 images to probabilities, batch first.

        example: a batch of 2 or more; probabilities: what the model gives for it.
        """

    @abstractmethod
    def finish(self, status: Status, *, reason: str | None = None, resumable: bool = False) -> None:
        """End the run; its working folder stays only where it is to be resumed."""


@final
class UntrackedRun(Run):
    """Remembers nothing but a working folder while the training goes on."""

    tracked = False

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def count_test_look(self) -> None:
        """Do nothing."""

    def log_files(self, folder: Path) -> None:
        """Do nothing."""

    def log_text(self, text: str, name: str) -> None:
        """Do nothing."""

    def log_picture(self, picture: np.ndarray, *, key: str, step: int) -> None:
        """Do nothing."""

    def log_model(self, model: Any, *, example: np.ndarray, probabilities: np.ndarray) -> None:
        """Do nothing."""

    def finish(self, status: Status, *, reason: str | None = None, resumable: bool = False) -> None:
        """Remove the working folder."""
        shutil.rmtree(self.folder)


@final
class MlflowRun(Run):
    """A run in an MLflow store."""

    tracked = True

    def __init__(self, store: Store, run_id: str, folder: Path) -> None:
        super().__init__(run_id, folder)
        self._client: MlflowClient = store.client
        self._experiment_id = store.experiment_id

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log all metrics of one step in one batch; values that are not finite are left out."""
        now = int(time.time() * 1000)
        entries = [Metric(k, v, now, step) for k, v in metrics.items() if math.isfinite(v)]
        self._client.log_batch(self.id, metrics=entries)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one batch."""
        self._client.log_batch(self.id, tags=[RunTag(k, v) for k, v in tags.items()])

    def count_test_look(self) -> None:
        """Count one more look at the test images, in the tag `test.looks`."""
        looks = int(self._client.get_run(self.id).data.tags.get("test.looks", 0))
        self.set_tags({"test.looks": str(looks + 1)})

    def log_files(self, folder: Path) -> None:
        """Copy every file below the folder, with its sub-folders, to the run's artifacts."""
        self._client.log_artifacts(self.id, str(folder))

    def log_text(self, text: str, name: str) -> None:
        """Write a text as an artifact."""
        self._client.log_text(self.id, text, name)

    def log_picture(self, picture: np.ndarray, *, key: str, step: int) -> None:
        """Log uint8 RGB `[H, W, 3]` as one step of a series for the step slider."""
        self._client.log_image(self.id, picture, key=key, step=step, synchronous=True)

    def fetch(self, artifact: str, folder: Path) -> Path:
        """Copy an artifact, a file or a folder, into a local folder and return its path there."""
        return Path(self._client.download_artifacts(self.id, artifact, str(folder)))

    def log_model(self, model: Any, *, example: np.ndarray, probabilities: np.ndarray) -> None:
        """Export the model as PyTorch's pt2 archive and tie it to this run."""
        import mlflow.pytorch
        from mlflow.models import Model, infer_signature

        logged = self._client.create_logged_model(
            self._experiment_id, name="model", source_run_id=self.id
        )
        with tempfile.TemporaryDirectory() as draft:
            target = Path(draft) / "model"
            mlflow.pytorch.save_model(
                model,
                str(target),
                mlflow_model=Model(run_id=self.id, model_id=logged.model_id),
                signature=infer_signature(example, probabilities),
                input_example=example,
                pip_requirements=[f"{name}=={_version(name)}" for name in ("torch", "numpy")],
                serialization_format="pt2",
            )
            self._client.log_model_artifacts(logged.model_id, str(target))
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._client.log_outputs(self.id, [LoggedModelOutput(logged.model_id, step=0)])

    def finish(self, status: Status, *, reason: str | None = None, resumable: bool = False) -> None:
        """End the run; its working folder stays only where it is to be resumed."""
        if reason is not None:
            self.set_tags({"end_reason": reason})
        if resumable and (self.folder / "best.ckpt").exists():
            self._client.log_artifact(self.id, str(self.folder / "best.ckpt"), "checkpoint")
        self._client.set_terminated(self.id, status=status)
        if not resumable and self.folder.exists():
            shutil.rmtree(self.folder)


def start_run(
    settings: Tracking,
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    data: DataDescription,
    config: Mapping[str, Any],
) -> Run:
    """Start a run, or an untracked one where tracking is off.

    Raises TrackingError when the store cannot be used.
    """
    if not settings.enabled:
        run: Run = UntrackedRun(uuid4().hex, Path(tempfile.mkdtemp(prefix="untracked-")))
    else:
        store = open_store(settings)
        runs = make_folder(settings.folder.resolve() / "runs")
        created = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags))
        run_id = created.info.run_id
        run = MlflowRun(store, run_id, runs / run_id)
        texts = {key: str(value)[:MAX_PARAM_LENGTH] for key, value in params.items()}
        store.client.log_batch(run_id, params=[Param(k, v) for k, v in texts.items()])
        store.client.log_inputs(run_id, [_dataset_input(data)])
        store.client.log_dict(run_id, dict(config), "config.yaml")
    run.folder.mkdir(exist_ok=True)
    (run.folder / "config.json").write_text(json.dumps(config))
    return run


def reopen_run(settings: Tracking, run_id: str) -> Run:
    """Set an interrupted run to RUNNING again."""
    store = open_store(settings)
    store.client.update_run(run_id, status="RUNNING")
    if "end_reason" in store.client.get_run(run_id).data.tags:
        store.client.delete_tag(run_id, "end_reason")
    return MlflowRun(store, run_id, settings.folder.resolve() / "runs" / run_id)


def finished_run(settings: Tracking, run_id: str) -> "MlflowRun":
    """Return a run that has ended, to read from it or to add to it."""
    return MlflowRun(open_store(settings), run_id, settings.folder.resolve() / "runs" / run_id)


def end_children(settings: Tracking, parent: str, *, reason: str) -> None:
    """End the runs below `parent` that are RUNNING though nobody works on them any more."""
    store = open_store(settings)
    running = store.client.search_runs(
        [store.experiment_id],
        f"attributes.status = 'RUNNING' and tags.`mlflow.parentRunId` = '{parent}'",
        max_results=1000,
    )
    for child in running:
        finished_run(settings, child.info.run_id).finish("KILLED", reason=reason)


def find_interrupted(folder: Path, run_id: str) -> tuple[str, dict[str, Any]]:
    """Return the whole id and the configuration of a run that can be resumed.

    run_id: the id or the beginning of it. Raises ConfigError where no such run has a checkpoint.
    """
    runs = folder.resolve() / "runs"
    found = sorted(p.parent.name for p in runs.glob("*/last.ckpt"))
    matches = [name for name in found if name.startswith(run_id)]
    if len(matches) != 1:
        cure = f"choose one of {', '.join(found)}" if found else "there is none, so start anew"
        raise ConfigError(f"`resume`={run_id}: must name one interrupted run in {runs}; {cure}")
    config = json.loads((runs / matches[0] / "config.json").read_text())
    return matches[0], config


def _dataset_input(data: DataDescription) -> DatasetInput:
    dataset = Dataset(
        name=data.name,
        digest=data.digest[:MAX_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": data.source}),
        profile=json.dumps(data.profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and validation")])


def _version(package: str) -> str:
    return version(package).split("+")[0]
