"""Writes a tracked model as ONNX; and what any export is held against: PyTorch's own answers."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import torch

from src.errors import ConfigError, UserError
from src.inference.recogniser import Recogniser

OPSET = 20
EXAMPLE_ROWS = 2
LARGEST_DIFFERENCE = 1e-4
"""Of a probability; a larger one makes the export an error."""


def check_parity(recogniser: Recogniser, got: np.ndarray, path: Path, *, most: float) -> str:
    """Return how an export's probabilities `[N, K]` of the kept validation images do, for people.

    most: largest difference of one from PyTorch's; raises UserError where one is larger.
    """
    expected = recogniser.predictor.predict(recogniser.calibration.images.pixels)
    largest = float(np.abs(got - expected).max())
    if not largest <= most:
        raise UserError(
            f"`export`={path}: not written, its probabilities differ from PyTorch's by up to "
            f"{largest:.1e}, more than {most:.0e}"
        )
    same = int((got.argmax(axis=1) == expected.argmax(axis=1)).sum())
    return (
        f"{path}: written; on {len(got):,} validation images the largest difference of a "
        f"probability from PyTorch's is {largest:.1e}, and {same:,} answers are the same"
    )


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet; raises ConfigError where it cannot be written."""
    try:
        with path.open("xb") as file:
            try:
                file.write(content)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except FileExistsError as error:
        raise ConfigError(f"`export`={path}: is there already; choose another name") from error
    except OSError as error:
        raise ConfigError(f"`export`={path}: cannot be written ({error.strerror})") from error


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


def export_onnx(recogniser: Recogniser, path: Path) -> str:
    """Write the model as one ONNX file, once its answers are checked; return so, for people.

    Input `images`: float32 `[N, 1, H, W]` in 0..1, in the form of the training images, any N.
    Output `probabilities`: float32 `[N, K]`. Its metadata has class names, threshold, run, and
    which way the ink runs.

    Raises UserError where its probabilities differ from PyTorch's by more than 1e-4, ConfigError
    where the file cannot be written.
    """
    content = _content(recogniser)
    got = _answers(content, recogniser.calibration.images.pixels)
    said = check_parity(recogniser, got, path, most=LARGEST_DIFFERENCE)
    write_new(path, content)
    return said


def _content(recogniser: Recogniser) -> bytes:
    import onnx

    example = torch.zeros(EXAMPLE_ROWS, *recogniser.predictor.image_shape)
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
    content: bytes = model.SerializeToString()
    return content


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


def _answers(content: bytes, pixels: np.ndarray) -> np.ndarray:
    """Return the probabilities, float32 `[N, K]`, of grey values uint8 `[N, 1, H, W]`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    [probabilities] = session.run(None, {"images": pixels.astype(np.float32) / 255})
    return np.asarray(probabilities)
