"""One training as the tracking store sees it: a run with explicit calls, no global state."""

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, final
from uuid import UUID, uuid5

import numpy as np
from filelock import BaseFileLock, FileLock
from mlflow.exceptions import MlflowException
from PIL import Image, ImageOps
from requests.exceptions import RequestException

from src.errors import TrackingError, first_line
from src.tracking.connection import Store
from src.tracking.outbox import MAX_DIGEST_LENGTH, Event, Outbox
from src.tracking.series import CURVE

Status = Literal["FINISHED", "FAILED", "KILLED"]

LAST = "last.ckpt"
"""What makes a working folder one to resume from."""
PACKED = "resume"
"""Folder among the artifacts of a stopped run on a server: from it another machine resumes."""
STAYS = ("lock", "unsent*", "*.draft")
"""What of a working folder belongs to the machine it is on."""

OUTCOME = "outcome"
OUTCOMES: Mapping[str, str] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}
"""How a run ended, as a tag, by MLflow's status, which knows no pruned ones."""

SHOWN_PX = 800
"""Pixels a side of what the UI shows of a picture in a card, which is 560 of them wide in a window
of 1,440; to write it takes longer than to draw it."""

LOCK_TIMEOUT_S = 3.0
"""How long to wait for a run that another process may be putting in order."""


@final
class Run:
    """Where a training leaves what it did; `folder` is its own working folder.

    store: None where nothing is tracked, and nothing is remembered but the folder while the
    training goes on. What a store misses while it is unreachable, it gets later.
    Once the run was cut off, `earlier` is what it had logged: metric values by key and step. What
    is computed a second time is then not logged a second time.
    looks: how often it has looked at the test images, None where the store knows. began: when, in
    milliseconds since 1970.
    """

    def __init__(
        self,
        store: Store | None,
        run_id: str,
        folder: Path,
        *,
        earlier: Mapping[tuple[str, int], float] = MappingProxyType({}),
        looks: int | None = None,
        began: int = 0,
    ) -> None:
        self.id = run_id
        self.folder = folder
        self._store = store
        self._outbox = Outbox(store, run_id, folder) if store else None
        self._earlier = earlier
        self._looks = looks
        self._began = began
        self._lock: BaseFileLock | None = None

    @property
    def tracked(self) -> bool:
        """Whether anything is remembered."""
        return self._store is not None

    def _send(self, event: Event) -> None:
        """Bring it to the store, or keep it in the working folder until that can be reached."""
        if self._outbox is not None:
            self._outbox.put(event)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Log all metrics of one step in one batch; values that are not finite are left out."""
        now = int(time.time() * 1000)
        entries = [
            [key, float(value), now, step]
            for key, value in metrics.items()
            if math.isfinite(value) and not self._has(key, step, value)
        ]
        self._send({"metrics": entries})

    def log_epoch(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Log one point of each curve; epochs count from 1."""
        self.log_metrics({CURVE + key: value for key, value in metrics.items()}, step=epoch)

    def _has(self, key: str, step: int, value: float) -> bool:
        """Tell whether it was logged before: an epoch is the same again, an end may be new."""
        return (key, step) in self._earlier and (step > 0 or self._earlier[key, step] == value)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one batch."""
        self._send({"tags": dict(tags)})

    def describe(self, *, params: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Log parameters, and the dataset in MLflow's words."""
        self._send({"params": dict(params), "data": dict(data)})

    def count_test_evaluation(self) -> None:
        """Count one more look at the test images, in the tag `test.looks`."""
        if self._looks is None and self._store is not None:
            tags = self._store.client.get_run(self.id).data.tags
            self._looks = int(tags.get("test.looks", 0))
        self._looks = (self._looks or 0) + 1
        self.set_tags({"test.looks": str(self._looks)})

    def log_files(self, folder: Path) -> None:
        """Copy every file below the folder, with its sub-folders, to the run's artifacts."""
        self._send({"files": str(folder)})

    def log_texts(self, texts: Mapping[str, str]) -> None:
        """Write texts as artifacts, by their names."""
        with tempfile.TemporaryDirectory() as draft:
            for name, text in texts.items():
                (Path(draft) / name).write_text(text, encoding="utf-8")
            self.log_files(Path(draft))

    def log_pictures(self, series: Mapping[tuple[str, int], np.ndarray]) -> None:
        """Log uint8 RGB `[H, W, 3]` by key and step in one batch: series for the step slider.

        As `MlflowClient.log_image` does, but under names that stay when they are made again. The
        UI centres what it shows in a square, of which a card has room for the upper third: there
        the picture is put, as wide as the square.
        """
        with tempfile.TemporaryDirectory() as draft:
            images = Path(draft) / "images"
            images.mkdir()
            for (key, step), picture in series.items():
                file = key.replace("/", "~")
                image = Image.fromarray(picture)
                unique = uuid5(UUID(self.id), f"{key} {step}")
                name = f"{file}+step+{step}+timestamp+{self._began}+{unique}"
                # time counts more than bytes
                image.save(images / f"{name}.png", compress_level=1)
                side = min(SHOWN_PX, max(image.size))
                shown = ImageOps.pad(
                    image, (side, side), Image.Resampling.BILINEAR, color="white", centering=(0, 0)
                )
                shown.save(images / f"{name}+compressed.webp", method=0)
            self._send({"files": draft, "tags": {"mlflow.loggedImages": "True"}})

    def log_model(
        self,
        model: Any,
        *,
        example: np.ndarray,
        probabilities: np.ndarray,
        data: tuple[str, str],
    ) -> None:
        """Export an `nn.Module` in eval mode as PyTorch's pt2 archive, tied to this run.

        It maps float32 images to probabilities, batch first. example: a batch of 2 or more;
        probabilities: what the model gives for it. data: the name of those it was scored on, and
        the digest of their split. Its scores are those that the run has.
        """
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
            name, digest = data
            on = {"dataset_name": name, "dataset_digest": digest[:MAX_DIGEST_LENGTH]}
            self._send({"model": str(target), "scored_on": on})

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
        assert self._outbox is not None
        if not self._outbox.is_here() or not self._outbox.flush():
            return False
        self._clear()
        return True

    def fetch(self, artifact: str, folder: Path) -> Path:
        """Copy an artifact, a file or a folder, into a local folder and return its path there.

        Raises TrackingError where the store does not give it.
        """
        assert self._store is not None
        try:
            return Path(self._store.client.download_artifacts(self.id, artifact, str(folder)))
        except (MlflowException, RequestException, OSError) as error:
            raise TrackingError(
                f"run {self.id}: its file {artifact} cannot be fetched ({first_line(error)}); "
                "restore it, or choose another run"
            ) from error

    def finish(
        self,
        status: Status,
        *,
        reason: str | None = None,
        outcome: str | None = None,
        resumable: bool = False,
    ) -> None:
        """End the run; its working folder stays only where it is to be resumed.

        outcome: tells a pruned trial from an interrupted one, by default what the status says.
        """
        try:
            said = {} if reason is None else {"end_reason": reason}
            said[OUTCOME] = outcome or OUTCOMES[status]
            self._end(status, said, resumable=resumable)
        finally:
            self.unlock()

    def _end(self, status: Status, tags: Mapping[str, str], *, resumable: bool) -> None:
        if self._outbox is None:
            shutil.rmtree(self.folder)
            return
        if resumable and (self.folder / "best.ckpt").exists():
            with tempfile.TemporaryDirectory() as draft:
                (Path(draft) / "checkpoint").mkdir()
                shutil.copyfile(self.folder / "best.ckpt", Path(draft) / "checkpoint/best.ckpt")
                if self._store and self._store.is_server and (self.folder / LAST).exists():
                    stays = shutil.ignore_patterns(*STAYS)
                    shutil.copytree(self.folder, Path(draft) / PACKED, ignore=stays)
                self.log_files(Path(draft))
        now = int(time.time() * 1000)
        self._send({"tags": dict(tags), "status": status, "time": now})
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
