"""One training as the tracking store sees it: a run with explicit calls, no global state."""

import math
import shutil
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, final
from uuid import UUID, uuid5

import numpy as np
from filelock import BaseFileLock, FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from src.errors import TrackingError, first_line
from src.tracking.connection import Store
from src.tracking.handover import LAST, pack
from src.tracking.outbox import Outbox

Status = Literal["FINISHED", "FAILED", "KILLED"]

LOCK_TIMEOUT_S = 3.0
"""How long to wait for a run that another process may be putting in order."""


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
    def count_test_evaluation(self) -> None:
        """Count one more look at the test images, in the tag `test.looks`."""

    @abstractmethod
    def log_files(self, folder: Path) -> None:
        """Copy every file below the folder, with its sub-folders, to the run's artifacts."""

    @abstractmethod
    def log_text(self, text: str, name: str) -> None:
        """Write a text as an artifact."""

    @abstractmethod
    def log_pictures(self, series: Mapping[tuple[str, int], np.ndarray]) -> None:
        """Log uint8 RGB `[H, W, 3]` by key and step in one batch: series for the step slider."""

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

    def count_test_evaluation(self) -> None:
        """Do nothing."""

    def log_files(self, folder: Path) -> None:
        """Do nothing."""

    def log_text(self, text: str, name: str) -> None:
        """Do nothing."""

    def log_pictures(self, series: Mapping[tuple[str, int], np.ndarray]) -> None:
        """Do nothing."""

    def log_model(self, model: Any, *, example: np.ndarray, probabilities: np.ndarray) -> None:
        """Do nothing."""

    def finish(self, status: Status, *, reason: str | None = None, resumable: bool = False) -> None:
        """Remove the working folder."""
        shutil.rmtree(self.folder)


@final
class MlflowRun(Run):
    """A run in an MLflow store; what the store misses while it is unreachable, it gets later.

    Once the run was cut off, `earlier` is what it had logged: metric values by key and step. What
    is computed a second time is then not logged a second time.
    looks: how often it has looked at the test images, None where only the store knows.
    """

    tracked = True

    def __init__(
        self,
        store: Store,
        run_id: str,
        folder: Path,
        *,
        earlier: Mapping[tuple[str, int], float] = MappingProxyType({}),
        looks: int | None = None,
        began: int = 0,
    ) -> None:
        super().__init__(run_id, folder)
        self._client: MlflowClient = store.client
        self._outbox = Outbox(store, run_id, folder)
        self._store = store
        self._earlier = earlier
        self._looks = looks
        self._began = began
        self._lock: BaseFileLock | None = None

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log all metrics of one step in one batch; values that are not finite are left out."""
        now = int(time.time() * 1000)
        entries = [
            [key, float(value), now, step]
            for key, value in metrics.items()
            if math.isfinite(value) and not self._has(key, step, value)
        ]
        self._outbox.put({"metrics": entries})

    def _has(self, key: str, step: int, value: float) -> bool:
        """Tell whether it was logged before: an epoch is the same again, an end may be new."""
        return (key, step) in self._earlier and (step > 0 or self._earlier[key, step] == value)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one batch."""
        self._outbox.put({"tags": dict(tags)})

    def describe(self, *, params: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Log parameters, and the dataset in MLflow's words."""
        self._outbox.put({"params": dict(params), "data": dict(data)})

    def count_test_evaluation(self) -> None:
        """Count one more look at the test images, in the tag `test.looks`."""
        if self._looks is None:
            self._looks = int(self._client.get_run(self.id).data.tags.get("test.looks", 0))
        self._looks += 1
        self.set_tags({"test.looks": str(self._looks)})

    def log_files(self, folder: Path) -> None:
        """Copy every file below the folder, with its sub-folders, to the run's artifacts."""
        self._outbox.put({"files": str(folder)})

    def log_text(self, text: str, name: str) -> None:
        """Write a text as an artifact."""
        with tempfile.TemporaryDirectory() as draft:
            (Path(draft) / name).write_text(text, encoding="utf-8")
            self.log_files(Path(draft))

    def log_pictures(self, series: Mapping[tuple[str, int], np.ndarray]) -> None:
        """Log uint8 RGB `[H, W, 3]` by key and step in one batch: series for the step slider.

        As `MlflowClient.log_image` does, but under names that stay when they are made again.
        """
        from mlflow.tracking.multimedia import compress_image_size, convert_to_pil_image

        with tempfile.TemporaryDirectory() as draft:
            images = Path(draft) / "images"
            images.mkdir()
            for (key, step), picture in series.items():
                image = convert_to_pil_image(picture)
                unique = uuid5(UUID(self.id), f"{key} {step}")
                name = f"{key}+step+{step}+timestamp+{self._began}+{unique}"
                # time counts more than bytes
                image.save(images / f"{name}.png", compress_level=1)
                compress_image_size(image).save(images / f"{name}+compressed.webp", method=0)
            self._outbox.put({"files": draft, "tags": {"mlflow.loggedImages": "True"}})

    def hold(self, *, wait_s: float = LOCK_TIMEOUT_S) -> None:
        """Keep other processes from working on this run, as long as this one lives.

        Raises filelock's Timeout where another one does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / "lock")
        self._lock.acquire(timeout=wait_s)

    def unlock(self) -> None:
        """Let other processes work on this run."""
        if self._lock is not None:
            self._lock.release()

    def flush(self) -> bool:
        """Send what was kept for this store, if anything was; tell whether all of it is sent."""
        if not self._outbox.is_for(self._store) or not self._outbox.flush():
            return False
        self._clear()
        return True

    def fetch(self, artifact: str, folder: Path) -> Path:
        """Copy an artifact, a file or a folder, into a local folder and return its path there.

        Raises TrackingError where the store does not give it.
        """
        try:
            return Path(self._client.download_artifacts(self.id, artifact, str(folder)))
        except (MlflowException, RequestException) as error:
            said = first_line(error)
            raise TrackingError(f"run {self.id}: {artifact} cannot be fetched ({said})") from error

    def log_model(self, model: Any, *, example: np.ndarray, probabilities: np.ndarray) -> None:
        """Export the model as PyTorch's pt2 archive and tie it to this run."""
        import mlflow.pytorch
        from mlflow.models import Model, infer_signature

        with tempfile.TemporaryDirectory() as draft:
            target = Path(draft) / "model"
            mlflow.pytorch.save_model(
                model,
                str(target),
                mlflow_model=Model(run_id=self.id),
                signature=infer_signature(example, probabilities),
                input_example=example,
                pip_requirements=[f"{name}=={_version(name)}" for name in ("torch", "numpy")],
                serialization_format="pt2",
            )
            self._outbox.put({"model": str(target)})

    def finish(self, status: Status, *, reason: str | None = None, resumable: bool = False) -> None:
        """End the run; its working folder stays only where it is to be resumed."""
        try:
            self._end(status, reason=reason, resumable=resumable)
        finally:
            self.unlock()

    def _end(self, status: Status, *, reason: str | None, resumable: bool) -> None:
        if reason is not None:
            self.set_tags({"end_reason": reason})
        if resumable and (self.folder / "best.ckpt").exists():
            with tempfile.TemporaryDirectory() as draft:
                (Path(draft) / "checkpoint").mkdir()
                shutil.copyfile(self.folder / "best.ckpt", Path(draft) / "checkpoint/best.ckpt")
                if self._store.is_server and (self.folder / LAST).exists():
                    pack(self.folder, Path(draft))
                self.log_files(Path(draft))
        self._outbox.put({"status": status, "time": int(time.time() * 1000)})
        if not resumable:
            (self.folder / LAST).unlink(missing_ok=True)
        if self._outbox.flush():
            self._clear()
        else:
            said = f"run {self.id}: what the store has not got is kept in {self.folder}; the next"
            print(f"{said} start of any command sends it", file=sys.stderr)

    def _clear(self) -> None:
        """Remove the working folder, unless the run can be gone on with from it."""
        if self.folder.exists() and not (self.folder / LAST).exists():
            shutil.rmtree(self.folder)


def _version(package: str) -> str:
    return version(package).split("+")[0]
