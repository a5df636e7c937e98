"""One training as the tracking store sees it: a run with explicit calls, no global state."""

import math
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import (
    LoggedModelOutput,
    Metric,
    RunTag,
)
from PIL import Image

from src.errors import ConfigError
from src.tracking.store import Store

Status = Literal["FINISHED", "FAILED", "KILLED"]


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
        self._lock: BaseFileLock | None = None

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
        image = Image.fromarray(picture)
        image.encoderinfo = {"compress_level": 1}  # time counts more than bytes
        self._client.log_image(self.id, image, key=key, step=step, synchronous=True)

    def hold(self) -> None:
        """Keep other processes from working on this run, as long as this one lives.

        Raises ConfigError where another one does.
        """
        self.folder.mkdir(exist_ok=True)
        self._lock = FileLock(self.folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(
                f"`resume`={self.id}: another process is training this run; wait for its end, or "
                "stop it"
            ) from error

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
        if self._lock is not None:
            self._lock.release()
        kept = resumable and (self.folder / "last.ckpt").exists()
        if not kept and self.folder.exists():
            shutil.rmtree(self.folder)


def _version(package: str) -> str:
    return version(package).split("+")[0]
