"""Answers for a table of images, a row an image; with labels, how many are right."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.data.csv import as_images, class_indices
from src.data.table import Table, read_table
from src.errors import DataError
from src.inference.output import print_answers, record
from src.inference.recogniser import Answer, Recogniser
from src.pictures.form import borders
from src.pictures.preparation import Prepared
from src.stats.intervals import wilson_interval

CONTRARY = 0.5
"""Amount of ink on the border from which images have the contrary of the training images' paper."""


def answer_table(path: Path, recogniser: Recogniser, form: str) -> None:
    """Print an answer for every row of a table, in a format, and how many are right if labelled.

    The values are taken as those of the training images were, where they fit.
    Raises DataError where the table cannot be read or has images of another size.
    """
    pixels, table, said = _images(path, recogniser)
    labels = None if table.labels is None else class_indices(table, recogniser.class_names)
    print(f"{path}: {said}", file=sys.stderr, flush=True)
    answers = recogniser.answer([Prepared(image[0], as_it_was=True) for image in pixels])
    names = [f"{path.name}, row {row}" for row in range(1, len(answers) + 1)]
    records = (
        record(answer, recogniser, file=name) for name, answer in zip(names, answers, strict=True)
    )
    print_answers(records, recogniser, form, width=len(names[-1]))
    if labels is not None:
        print(_score(answers, labels, recogniser), file=sys.stderr)


def _images(path: Path, recogniser: Recogniser) -> tuple[np.ndarray, Table, str]:
    """Return the images `[N, 1, H, W]`, the table, and how it was read, for people."""
    shape, calibration = recogniser.image_shape, recogniser.calibration
    number = shape[1] * shape[2]
    table = read_table(path, pixels=number)
    if table.values.shape[1] != number:
        raise DataError(
            f"{path}: {table.values.shape[1]} pixel columns, but run {recogniser.run.id[:8]} was "
            f"trained on {shape[1]} x {shape[2]} pixels, which are {number}; fix: model=RUN_ID"
        )
    told = calibration.table
    low, high = told["range"] if told else table.range()
    if table.values.min() < low or table.values.max() > high:
        low, high = table.range()
    transpose = bool(told and told["transpose"])
    pixels = as_images(table.scaled(low, high), shape, transpose=transpose)
    amount = calibration.form.amount(pixels[:, 0])
    said = f"{len(pixels):,} images; {table.columns.said}; values {low:g}..{high:g}"
    if float(np.median(borders(amount))) > CONTRARY:
        pixels = calibration.form.pixels(1 - amount)[:, np.newaxis]
        said += "; inverted, as the training images are"
    return pixels, table, said


def _score(answers: Sequence[Answer], labels: np.ndarray, recogniser: Recogniser) -> str:
    names = np.array(recogniser.class_names)
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
