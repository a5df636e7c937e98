"""The files and pictures a finished training leaves on its run, under fixed names."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from src.data.source import Dataset, LabelledImages
from src.figures.confusion import confusion_card, draw_confusion_matrix
from src.figures.curves import draw_learning_curves
from src.figures.misclassified import draw_misclassified
from src.figures.style import save_picture
from src.figures.weights import draw_weights_over_training, weight_sheet
from src.pictures.form import CALIBRATION_IMAGES, evenly
from src.stats.autocorrelation import order_units
from src.stats.scores import (
    confusion_counts,
    per_class_scores,
)
from src.tracking.run import Run
from src.tracking.series import CONFUSION, WEIGHTS
from src.training.fit import Fit

UNITS_IN_SERIES = 12
UNTRAINED = "before training"
"""Of the picture that the UI shows first, because its sliders begin at 0."""


def write_files(
    folder: Path,
    fit: Fit,
    probabilities: np.ndarray | None,
    dataset: Dataset,
    weights: "WeightPictures",
) -> np.ndarray | None:
    """Write the checkpoint, figures/, tables/, predictions/ and preparation/ of the best epoch.

    Returns its confusion counts, int64 `[K, K]`, None without probabilities.

    probabilities: float32 `[N, K]` of the validation images, from which predictions, tables and the
    figures of answers are made; None where there are no such images.
    """
    figures = folder / "figures"
    figures.mkdir()
    counts = None
    if probabilities is not None:
        counts = _write_answers(folder, probabilities, dataset)
        write_preparation(folder / "preparation", dataset)
    draw_learning_curves(
        fit.classifier.history,
        best_epoch=fit.best_epoch,
        select=fit.select,
        path=figures / "learning_curves.png",
    )
    if weights.steps:
        save_picture(weights.at_the_end(), figures / "first_layer_weights.png")
        weights.draw_over_training(figures / "weights_over_training.png", fit.accuracies)
    elif (kernels := first_kernels(fit)) is not None:
        sheet = weight_sheet(kernels, title="first-layer kernels")
        save_picture(sheet, figures / "first_layer_weights.png")
    (folder / "checkpoint").mkdir()
    shutil.copyfile(fit.checkpoint, folder / "checkpoint" / "best.ckpt")
    return counts


def first_kernels(fit: Fit) -> np.ndarray | None:
    """Return the kernels, float32 `[U, C, h, w]`, where the first layer is a convolution."""
    first = next((p for p in fit.classifier.model.parameters() if p.ndim > 1), None)
    return first.detach().cpu().numpy() if first is not None and first.ndim == 4 else None


def picture_words(fit: Fit) -> str:
    """Return where the pictures of a run are, and which one it lacks."""
    lacking = not fit.weights and first_kernels(fit) is None
    return "Pictures: Artifacts, `figures/`" + (
        "; none of weights: the first layer is neither dense on the pixels nor a convolution."
        if lacking
        else ". The same names on every run."
    )


def _write_answers(folder: Path, probabilities: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Write predictions, table and figures of the validation images; return confusion counts."""
    images, names = dataset.validation, dataset.class_names
    figures = folder / "figures"
    counts = write_predictions(folder, "validation", probabilities, images, names)
    draw_confusion_matrix(
        counts,
        class_names=names,
        path=figures / "confusion_matrix.png",
        title="Confusion matrix, validation images",
    )
    draw_misclassified(
        images.pixels,
        images.labels,
        probabilities.argmax(axis=1),
        probabilities.max(axis=1),
        class_names=names,
        path=figures / "misclassified.png",
    )
    return counts


def write_preparation(folder: Path, dataset: Dataset) -> None:
    """Write what predicting needs to prepare pictures, and tables, as the images were.

    form.json: the images' form, and how a table was read. validation.npz: some validation images,
    uint8 `[N, C, H, W]`, with labels, on which a threshold for pictures can be chosen.
    """
    folder.mkdir()
    validation, form = dataset.validation, dataset.measured_form
    if dataset.form is not None:
        form = replace(dataset.form, digits=form.digits)
    text = json.dumps({"form": asdict(form), "table": dataset.reading}, indent=2)
    (folder / "form.json").write_text(text, encoding="utf-8")
    kept = validation.take(evenly(len(validation), CALIBRATION_IMAGES))
    np.savez_compressed(folder / "validation.npz", pixels=kept.pixels, labels=kept.labels)


def write_predictions(
    folder: Path,
    split: str,
    probabilities: np.ndarray,
    images: LabelledImages,
    class_names: tuple[str, ...],
) -> np.ndarray:
    """Write predictions/`split`.npz and tables/per_class_`split`.csv; return the confusion counts.

    The npz holds labels int64 `[N]` and probabilities float32 `[N, K]` in the order of the split.
    """
    (folder / "predictions").mkdir()
    (folder / "tables").mkdir()
    np.savez_compressed(
        folder / "predictions" / f"{split}.npz",
        labels=images.labels,
        probabilities=probabilities,
        class_names=np.array(class_names),
    )
    counts = confusion_counts(
        images.labels, probabilities.argmax(axis=1), num_classes=len(class_names)
    )
    table = pd.DataFrame({"class": class_names, **per_class_scores(counts)})
    path = folder / "tables" / f"per_class_{split}.csv"
    table.to_csv(path, index=False, float_format="%.4f")
    return counts


def log_series(
    fit: Fit,
    dataset: Dataset,
    run: Run,
    weights: "WeightPictures",
    *,
    best_counts: np.ndarray | None,
) -> None:
    """Log weights and confusion matrices over training as series for the step slider.

    best_counts: confusion counts of the best epoch, which is part of the series too; None: no
    validation images.
    """
    confusions = fit.confusions
    if best_counts is not None:
        confusions = {**confusions, fit.best_epoch: best_counts}
    sheets = {
        (WEIGHTS, step): weights.in_series(step, fit.accuracies.get(step)) for step in weights.steps
    }
    matrices = {
        (CONFUSION, epoch): confusion_card(
            counts, class_names=dataset.class_names, words="" if epoch else UNTRAINED
        )
        for epoch, counts in confusions.items()
    }
    run.log_pictures(sheets | matrices)


@final
class WeightPictures:
    """First-layer weights of a training as images; their order is worked out only once.

    steps: minibatch steps of the snapshots; none where the first layer is not dense.
    """

    def __init__(self, fit: Fit, dataset: Dataset) -> None:
        shape = dataset.train.pixels.shape[1:]
        self._images = {step: flat.reshape(-1, *shape) for step, flat in fit.weights.items()}
        self.steps = sorted(self._images)
        # where the first layer is the only one, a template a class
        self._names = dataset.class_names if fit.classifier.is_linear else None
        if self.steps:
            self._used = dataset.pixels_used
            self._order = order_units(self._images[self.steps[-1]], pixels_used=self._used)

    def at_the_end(self) -> np.ndarray:
        """Return the weights of the last step, of some units where there are many, RGB."""
        step = self.steps[-1]
        return self._sheet(step, title=f"first-layer weights, step {step:,}", most_units=100)

    def _sheet(self, step: int, *, title: str, most_units: int, words: str = "") -> np.ndarray:
        return weight_sheet(
            self._images[step],
            title=title,
            words=words,
            most_units=most_units,
            order=self._order,
            class_names=self._names,
            pixels_used=self._used,
        )

    def in_series(self, step: int, accuracy: float | None) -> np.ndarray:
        """Return the weights of a step for the small card of a series, RGB `[H, W, 3]`.

        accuracy: that it reaches on the validation images, None where that is not known.
        """
        words = f"after {step:,} minibatches" if step else UNTRAINED
        if accuracy is not None:
            words += f": accuracy {accuracy:.3f}"
        return self._sheet(step, title="", most_units=UNITS_IN_SERIES, words=words)

    def draw_over_training(self, path: Path, accuracies: Mapping[int, float]) -> None:
        """Draw all steps side by side as a PNG."""
        draw_weights_over_training(
            self._images,
            path=path,
            accuracies=accuracies,
            class_names=self._names,
            pixels_used=self._used,
        )
