"""Writes a tracked model as ONNX, and compares what it answers with what PyTorch answers."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import final
from uuid import uuid4

import numpy as np
import torch

from src.errors import ConfigError, UserError
from src.inference.recogniser import Recogniser

OPSET = 20
EXAMPLE_ROWS = 2
LARGEST_DIFFERENCE = 1e-4
"""Of a probability; a larger one makes the export an error."""
BLOCK = 1000


@final
@dataclass(frozen=True)
class Parity:
    """How far the exported model's probabilities are from PyTorch's on validation images."""

    path: Path
    images: int
    largest_difference: float
    same_answers: int

    def describe(self) -> str:
        """Return it for people."""
        return (
            f"{self.path}: written; on {self.images:,} validation images the largest difference of "
            f"a probability from PyTorch's is {self.largest_difference:.1e}, and "
            f"{self.same_answers:,} answers are the same"
        )


def require_free(path: Path) -> None:
    """Raise ConfigError where the export could not be written or would overwrite something."""
    if os.path.exists(path):  # noqa: PTH110  takes any length
        raise ConfigError(f"`export`={path}: is there already; choose another name")
    if path.suffix not in {".onnx", ".html"}:
        raise ConfigError(f"`export`={path}: must end in .onnx or .html")
    if not path.parent.is_dir():
        raise ConfigError(f"`export`={path}: there is no folder {path.parent}; make it first")
    if path.suffix == ".html":
        return
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "`export`: needs the extra `onnx`: python -m pip install -e '.[onnx]'"
        ) from error


def export_onnx(recogniser: Recogniser, path: Path) -> Parity:
    """Write the model as one ONNX file, under another name until it is checked.

    Input `images`: float32 `[N, 1, H, W]` in 0..1, in the form of the training images, any N.
    Output `probabilities`: float32 `[N, K]`. Its metadata has class names, threshold, run, and
    which way the ink runs.

    Raises UserError where its probabilities differ from PyTorch's by more than 1e-4, or where
    there are no validation images to tell by.
    """
    kept = recogniser.calibration.images
    if kept is None:
        raise UserError(
            f"`export`={path}: not written, as the validation images of run {recogniser.run.id} "
            "cannot be had to check it by; bring the data back, or choose another run"
        )
    draft = path.with_name(f".{path.stem}-{uuid4().hex[:8]}.onnx")
    try:
        _write(recogniser, draft)
        parity = _compare(recogniser, draft, kept.pixels, path)
        if not parity.largest_difference <= LARGEST_DIFFERENCE:
            raise UserError(
                f"`export`={path}: not written, its probabilities differ from PyTorch's by up to "
                f"{parity.largest_difference:.1e}, more than {LARGEST_DIFFERENCE:.0e}"
            )
        path.hardlink_to(draft)  # fails where another program was faster; a rename would overwrite
    except FileExistsError as error:
        raise ConfigError(f"`export`={path}: is there already; choose another name") from error
    except OSError as error:
        raise ConfigError(f"`export`={path}: cannot be written ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)
    return parity


def _write(recogniser: Recogniser, path: Path) -> None:
    import onnx

    example = torch.zeros(EXAMPLE_ROWS, *recogniser.image_shape)
    with _quiet():
        program = torch.onnx.export(
            recogniser.predictor,
            (example,),
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            opset_version=OPSET,
            dynamo=True,
        )
    assert program is not None
    model = program.model_proto
    facts = {
        "run": recogniser.run.id,
        "class_names": json.dumps(recogniser.predictor.class_names),
        "threshold": repr(recogniser.threshold.value),
        "input": f"float32 [N, 1, H, W], 0..1, {recogniser.calibration.form.describe()}",
    }
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's talk to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with redirect_stderr(io.StringIO()):
                yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _compare(recogniser: Recogniser, file: Path, pixels: np.ndarray, path: Path) -> Parity:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    expected = recogniser.predictor.predict(pixels)
    got = np.concatenate(
        [
            session.run(None, {"images": pixels[start : start + BLOCK].astype(np.float32) / 255})[0]
            for start in range(0, len(pixels), BLOCK)
        ]
    )
    return Parity(
        path=path,
        images=len(pixels),
        largest_difference=float(np.abs(got - expected).max()),
        same_answers=int((got.argmax(axis=1) == expected.argmax(axis=1)).sum()),
    )
