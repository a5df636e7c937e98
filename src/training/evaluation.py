"""Scores the best epoch of a training, and leaves scores, files and model on its run."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from src.data.source import Dataset, LabelledImages, digest
from src.models.predictor import Predictor
from src.models.probabilities import scale
from src.stats.intervals import wilson_interval
from src.stats.scores import log_loss
from src.tracking.run import Run
from src.training.artifacts import WeightPictures, log_series, write_files, write_predictions
from src.training.fit import Fit
from src.training.result import Score

EXAMPLE_ROWS = 2
"""Images in the exported model's input example; the export needs at least two."""


def evaluate(
    fit: Fit, dataset: Dataset, run: Run, *, check_stop: Callable[[], None]
) -> Score | None:
    """Score the best epoch on the validation images; log its tables and pictures.

    Returns None where there are no validation images; then the run has no such numbers.
    """
    numbers = {"best/epoch": float(fit.best_epoch), "model/parameters": float(fit.parameters)}
    score, probabilities = None, None
    if len(dataset.validation):
        probabilities = fit.predictor.predict(dataset.validation.pixels)
        score = _score(probabilities, dataset.validation)
        numbers |= {"best/val_accuracy": score.accuracy, "best/val_loss": score.log_loss}
    run.log_metrics(numbers)
    if run.tracked:
        weights = WeightPictures(fit, dataset)
        with tempfile.TemporaryDirectory() as draft:
            counts = write_files(Path(draft), fit, probabilities, dataset, weights)
            run.log_files(Path(draft))
        check_stop()
        log_series(fit, dataset, run, weights, best_counts=counts)
        check_stop()
    return score


def log_model(predictor: Predictor, dataset: Dataset, run: Run, *, data: str) -> None:
    """Export the model to the run, with images of the source `data` as its input example."""
    pixels = dataset.train.pixels[:EXAMPLE_ROWS]
    run.log_model(
        predictor.cpu(),
        example=scale(torch.from_numpy(pixels)).numpy(),
        probabilities=predictor.predict(pixels),
        data=(data, dataset.split_digest),
    )


def evaluate_test(predictor: Predictor, test: LabelledImages, run: Run) -> Score:
    """Score a trained model on the test images; the look is counted on the run."""
    run.count_test_evaluation()
    run.set_tags({"digest.test": digest(test)})
    probabilities = predictor.predict(test.pixels)
    score = _score(probabilities, test)
    if run.tracked:
        with tempfile.TemporaryDirectory() as draft:
            write_predictions(Path(draft), "test", probabilities, test, predictor.class_names)
            run.log_files(Path(draft))
    run.log_metrics(score.metrics("test"))  # last: who has them, has the predictions
    return score


def _score(probabilities: np.ndarray, images: LabelledImages) -> Score:
    correct = int((probabilities.argmax(axis=1) == images.labels).sum())
    low, high = wilson_interval(correct, len(images))
    return Score(
        accuracy=correct / len(images),
        low=low,
        high=high,
        log_loss=log_loss(probabilities, images.labels),
        images=len(images),
    )
