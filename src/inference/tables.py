"""The images of a table that is to be answered, and with its labels how many answers are right."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from src.config.settings import TableReading
from src.data.csv import as_images, class_indices, values_said
from src.data.table import read_table
from src.errors import DataError
from src.inference.recogniser import Answer, Recogniser
from src.pictures.form import borders
from src.stats.intervals import wilson_interval

CONTRARY = 0.5
"""Amount of ink on the border from which images have the contrary of the training images' paper."""


@final
@dataclass(frozen=True)
class TableImages:
    """The images of a table as the model is to see them.

    pixels: uint8 `[N, 1, H, W]`. labels: int64 `[N]`, None where there are none. ids: what the
    table calls its rows, and id_name that column, None where it does not.
    """

    path: Path
    pixels: np.ndarray
    labels: np.ndarray | None
    ids: list[str] | None
    id_name: str | None


def read_images(path: Path, recogniser: Recogniser, asked: TableReading) -> TableImages:
    """Read a table as that of the training images was, as far as it is like it, and say how.

    asked: what is told of it instead. Raises DataError where it cannot be read or has images of
    another size.
    """
    predictor, calibration = recogniser.predictor, recogniser.calibration
    shape = predictor.image_shape
    trained: dict[str, Any] = dict(calibration.table or {})
    number = shape[1] * shape[2]
    label, position = trained.get("label", (None, None))
    table = read_table(path, label=asked.label, pixels=number, usual=(label, position))
    if table.values.shape[1] != number:
        raise DataError(
            f"{path}: {table.values.shape[1]} pixel columns, but run {recogniser.run.id[:8]} was "
            f"trained on {shape[1]} x {shape[2]} pixels, which are {number}; fix: model=RUN_ID"
        )
    columns, usual = table.columns, tuple(trained.get("range", ())) or None
    values = table.range(asked.max_value, usual=usual)
    transpose = trained.get("transpose", False) if asked.transpose is None else asked.transpose
    pixels = as_images(table.scaled(*values), shape, transpose=transpose)
    labels = None if table.labels is None else class_indices(table, predictor.class_names)
    said = f"{len(pixels):,} images; {columns.said}; {values_said(values)}"
    if usual and values != usual:
        said += f", not {usual[0]:g}..{usual[1]:g} as in training"
    if float(np.median(borders(calibration.form.amount(pixels[:, 0])))) > CONTRARY:
        pixels = calibration.form.pixels(1 - calibration.form.amount(pixels))
        said += "; inverted, as the training images are"
    print(f"{path}: {said}", file=sys.stderr, flush=True)
    ids = None if table.index is None else table.index.tolist()
    return TableImages(path, pixels, labels, ids, columns.name(columns.index))


def score(answers: Sequence[Answer], labels: np.ndarray, recogniser: Recogniser) -> str:
    """Return how many answers are right, of classes int64 `[N]`, for people."""
    names = np.array(recogniser.predictor.class_names)
    right = np.array([answer.best for answer in answers]) == names[labels]
    sure = np.array([answer.label is not None for answer in answers])
    low, high = wilson_interval(int(right.sum()), len(right))
    answered = "; none is answered"
    if sure.any():
        answered = f"; {sure.mean():.1%} are answered, {right[sure].mean():.2%} of these right"
    return (
        f"accuracy {right.mean():.4f} (95 % interval {low:.4f} to {high:.4f}) on "
        f"{len(right):,} labelled images{answered}"
    )
