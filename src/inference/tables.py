"""Answers for a table of images, a row an image; with labels, how many are right."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from src.data.csv import as_images, class_indices
from src.data.table import Table, read_table
from src.errors import DataError
from src.inference.output import COLUMNS, describe_threshold
from src.inference.recogniser import Recogniser
from src.stats.intervals import wilson_interval

CONTRARY = 0.5
"""Amount of ink on the border from which images have the contrary of the training images' paper."""


def answer_table(path: Path, recogniser: Recogniser, form: str) -> None:
    """Print an answer for every row of a table, in a format; all else goes to stderr.

    The values are taken as those of the training images were, where they fit.
    Raises DataError where the table cannot be read or has images of another size.
    """
    pixels, table, said = _images(path, recogniser)
    probabilities = recogniser.predictor.predict(pixels)
    _say(recogniser.origin, describe_threshold(recogniser), f"{path}: {said}")
    _print(_answers(path, probabilities, recogniser), form)
    if table.labels is not None:
        _say(_score(table, probabilities, recogniser))


def _say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


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
    rims = [amount[:, [0, -1]].reshape(len(amount), -1), amount[:, :, 0], amount[:, :, -1]]
    said = f"{len(pixels):,} images; {table.columns.said}; values {low:g}..{high:g}"
    if float(np.median(np.concatenate(rims, axis=1))) > CONTRARY:
        pixels = calibration.form.pixels(1 - amount)[:, np.newaxis]
        said += "; inverted, as the training images are"
    return pixels, table, said


def _answers(path: Path, probabilities: np.ndarray, recogniser: Recogniser) -> pd.DataFrame:
    """Return a row an image, with the columns of an answer to a picture."""
    names = np.array(recogniser.predictor.class_names)
    rows = np.arange(len(probabilities))
    order = np.argsort(probabilities, axis=1, kind="stable")
    runner_up, best = order[:, -2], order[:, -1]
    sure = probabilities[rows, best] >= recogniser.threshold.value
    values = {
        "file": [f"{path}, row {row}" for row in rows + 1],
        "status": np.where(sure, "recognised", "unsure"),
        "label": np.where(sure, names[best], ""),
        "best": names[best],
        "probability": probabilities[rows, best].round(6),
        "runner_up": names[runner_up],
        "runner_up_probability": probabilities[rows, runner_up].round(6),
        "note": "",
    }
    return pd.DataFrame({column: values[column] for column in COLUMNS})


def _print(answers: pd.DataFrame, form: str) -> None:
    if form == "kaggle":
        numbers = range(1, len(answers) + 1)
        answers = pd.DataFrame({"ImageId": numbers, "Label": answers["best"]})
    if form in {"csv", "kaggle"}:
        answers.to_csv(sys.stdout, index=False, lineterminator="\n")
    elif form == "json":
        print(answers.drop(columns="note").to_json(orient="records", indent=2))
    else:
        shown = answers.drop(columns="note").rename(columns=lambda name: name.replace("_", " "))
        print(shown.to_string(index=False))


def _score(table: Table, probabilities: np.ndarray, recogniser: Recogniser) -> str:
    labels = class_indices(table, recogniser.predictor.class_names)
    right = probabilities.argmax(axis=1) == labels
    sure = probabilities.max(axis=1) >= recogniser.threshold.value
    low, high = wilson_interval(int(right.sum()), len(right))
    answered = f"; {sure.mean():.1%} are answered, {right[sure].mean():.2%} of these right"
    return (
        f"accuracy {right.mean():.4f} (95 % interval {low:.4f} to {high:.4f}) on "
        f"{len(right):,} labelled images{answered if sure.any() else ''}"
    )
