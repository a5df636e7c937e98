"""Scores the best epoch of a training, and leaves scores, files and model on its run."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from src import statistics
from src.artifacts import log_series, write_files, write_predictions
from src.data.module import scale, to_tensors
from src.data.source import Dataset, LabelledImages, digest
from src.fit import Fit
from src.models.classifier import Classifier
from src.tracking.run import Run

EXAMPLE_ROWS = 2
"""Images in the exported model's input example; the export needs at least two."""


@final
@dataclass(frozen=True)
class Score:
    """Accuracy on `images` images with its 95 % Wilson interval, log loss in nats, and ECE."""

    accuracy: float
    low: float
    high: float
    log_loss: float
    ece: float
    images: int

    def describe(self) -> str:
        """Return the accuracy with its interval, for people."""
        return f"{self.accuracy:.4f}  (95 % interval {self.low:.4f} to {self.high:.4f})"

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return the numbers as metrics under `prefix`/."""
        return {
            f"{prefix}/accuracy": self.accuracy,
            f"{prefix}/accuracy_low": self.low,
            f"{prefix}/accuracy_high": self.high,
            f"{prefix}/log_loss": self.log_loss,
            f"{prefix}/ece": self.ece,
        }


def evaluate(fit: Fit, dataset: Dataset, run: Run, *, check_stop: Callable[[], None]) -> Score:
    """Score the best epoch on the validation images; log its tables, pictures and model."""
    probabilities = predict(fit.classifier, dataset.validation)
    score = _score(probabilities, dataset.validation)
    best = fit.classifier.history[fit.best_epoch - 1]
    run.log_metrics(
        {
            "best/epoch": fit.best_epoch,
            "best/val_accuracy": score.accuracy,
            "best/val_accuracy_low": score.low,
            "best/val_accuracy_high": score.high,
            "best/val_loss": score.log_loss,
            "best/val_ece": score.ece,
            "best/train_accuracy": best["train_accuracy"],
            "best/train_loss": best["train_loss"],
        }
    )
    if run.tracked:
        with tempfile.TemporaryDirectory() as draft:
            write_files(Path(draft), fit, probabilities, dataset)
            run.log_files(Path(draft))
        check_stop()
        log_series(fit, dataset, run)
        check_stop()
        example = dataset.validation.take(np.arange(EXAMPLE_ROWS))
        exported = Probabilities(fit.classifier)
        run.log_model(
            exported,
            example=scale(to_tensors(example)[0]).numpy(),
            probabilities=probabilities[:EXAMPLE_ROWS],
        )
    return score


def evaluate_test(fit: Fit, test: LabelledImages, dataset: Dataset, run: Run) -> Score:
    """Score the best epoch on the test images; the look is counted on the run."""
    probabilities = predict(fit.classifier, test)
    score = _score(probabilities, test)
    run.set_tags({"test.looks": "1", "digest.test": digest(test)})
    run.log_metrics(score.metrics("test"))
    if run.tracked:
        with tempfile.TemporaryDirectory() as draft:
            write_predictions(Path(draft), "test", probabilities, test, dataset.class_names)
            run.log_files(Path(draft))
    return score


def predict(classifier: Classifier, images: LabelledImages) -> np.ndarray:
    """Return class probabilities, float32 `[N, K]`."""
    return Probabilities(classifier).predict(to_tensors(images)[0])


@final
class Probabilities(nn.Module):
    """The model as it is exported: images float32 `[N, C, H, W]` in [0, 1] to probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = classifier.model
        self._log_probabilities = classifier.log_probabilities
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities `[N, K]`."""
        return self._log_probabilities(self.model(images)).exp()

    @torch.inference_mode()
    def predict(self, pixels: Tensor) -> np.ndarray:
        """Return probabilities for grey values uint8 `[N, C, H, W]`, a block at a time."""
        device = next(self.model.parameters()).device
        blocks = [self(scale(block.to(device))).cpu() for block in pixels.split(4096)]
        return torch.cat(blocks).numpy()


def _score(probabilities: np.ndarray, images: LabelledImages) -> Score:
    correct = int((probabilities.argmax(axis=1) == images.labels).sum())
    low, high = statistics.wilson_interval(correct, len(images))
    return Score(
        accuracy=correct / len(images),
        low=low,
        high=high,
        log_loss=statistics.log_loss(probabilities, images.labels),
        ece=statistics.expected_calibration_error(probabilities, images.labels),
        images=len(images),
    )
