"""Checkpoints that are whole or not there, and that load without running code."""

import io
import os
import warnings
from pathlib import Path
from typing import Any, final

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from src.errors import DataError

PATHS = ("dirpath", "best_model_path", "kth_best_model_path", "last_model_path")
"""Where a `ModelCheckpoint` remembers absolute paths."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load tensors and plain values on the processor; nothing else is unpickled.

    Raises DataError where the file holds anything else or is damaged; which, torch does not tell.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of what it then refuses
            stored = torch.load(path, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # a damaged file makes torch's unpickler raise anything
        raise DataError(
            f"checkpoint {path}: is damaged, or holds more than tensors and plain values, and is "
            "not used; bring back the file, or start a new run"
        ) from error
    if not isinstance(stored, dict):
        raise DataError(f"checkpoint {path}: is not one of this program; start a new run")
    return stored


@final
class WholeCheckpoints(TorchCheckpointIO):
    """Writes under another name in the same folder, then renames.

    Lightning's own way writes to the temporary folder; where that is another file system, it then
    copies over the last checkpoint, and a kill or a full disk in between leaves neither of them.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Leave the whole checkpoint, or the one that was there before."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        draft = Path(path).with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error  # writes name no file

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load what `read_checkpoint` accepts; paths in it follow a folder that was moved."""
        stored = read_checkpoint(Path(path))
        for state in stored.get("callbacks", {}).values():
            if "best_model_path" in state:
                _move(state, Path(path).parent)
        return stored


def _move(state: dict[str, Any], folder: Path) -> None:
    """Let what a `ModelCheckpoint` remembers point into the folder where it is now."""

    def moved(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    for key in set(PATHS) & state.keys():
        state[key] = str(folder) if key == "dirpath" else moved(state[key])
    state["best_k_models"] = {moved(k): v for k, v in state.get("best_k_models", {}).items()}
