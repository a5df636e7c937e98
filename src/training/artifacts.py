"""The files and pictures a finished training leaves on its run, under fixed names."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from src.data.source import Dataset, LabelledImages
from src.figures.confusion import confusion_image, draw_confusion_matrix
from src.figures.curves import draw_learning_curves
from src.figures.misclassified import draw_misclassified
from src.figures.reliability import draw_reliability
from src.figures.style import save_picture
from src.figures.weights import draw_weights_over_training, shared_scale_limit, weight_sheet
from src.pictures.form import evenly, measure_form
from src.stats.autocorrelation import order_units
from src.stats.scores import (
    confusion_counts,
    per_class_scores,
)
from src.tracking.run import Run
from src.training.fit import Fit

PICTURES_KEPT = 300
UNITS_IN_FIGURE = 100
UNITS_IN_SERIES = 36
"""Units on a sheet; the UI shows the sheets of a series small."""


def write_files(
    folder: Path,
    fit: Fit,
    probabilities: np.ndarray,
    dataset: Dataset,
    weights: "WeightPictures",
) -> np.ndarray:
    """Write the checkpoint, figures/, tables/, predictions/ and preparation/ of the best epoch.

    Returns its confusion counts, int64 `[K, K]`.

    All are made from the validation images; probabilities float32 `[N, K]` are theirs.
    """
    images, names = dataset.validation, dataset.class_names
    predictions = probabilities.argmax(axis=1)
    figures = folder / "figures"
    figures.mkdir()
    counts = write_predictions(folder, "validation", probabilities, images, names)
    draw_learning_curves(
        fit.classifier.history,
        best_epoch=fit.best_epoch,
        select=fit.select,
        path=figures / "learning_curves.png",
    )
    draw_confusion_matrix(
        counts,
        class_names=names,
        path=figures / "confusion_matrix.png",
        title="Confusion matrix, validation images",
    )
    draw_misclassified(
        images.pixels,
        images.labels,
        predictions,
        probabilities.max(axis=1),
        class_names=names,
        path=figures / "misclassified.png",
    )
    draw_reliability(probabilities, images.labels, path=figures / "reliability.png")
    if weights.steps:
        sheet = weights.sheet(weights.steps[-1], most_units=UNITS_IN_FIGURE)
        save_picture(sheet, figures / "first_layer_weights.png")
        weights.draw_over_training(figures / "weights_over_training.png")
    write_preparation(folder / "preparation", dataset)
    (folder / "checkpoint").mkdir()
    shutil.copyfile(fit.checkpoint, folder / "checkpoint" / "best.ckpt")
    return counts


def write_preparation(folder: Path, dataset: Dataset) -> None:
    """Write what predicting needs to prepare pictures, and tables, as the images were.

    form.json: the images' form, and how a table was read. validation.npz: some validation images,
    uint8 `[N, C, H, W]`, with labels, on which a threshold for pictures can be chosen.
    """
    folder.mkdir()
    train, validation = dataset.train, dataset.validation
    form = measure_form(train.pixels, train.labels, num_classes=len(dataset.class_names))
    if dataset.form is not None:
        form = replace(dataset.form, digits=form.digits)
    text = json.dumps({"form": form.as_dict(), "table": dataset.reading}, indent=2)
    (folder / "form.json").write_text(text, encoding="utf-8")
    kept = validation.take(evenly(len(validation), PICTURES_KEPT))
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
    fit: Fit, dataset: Dataset, run: Run, weights: "WeightPictures", *, best_counts: np.ndarray
) -> None:
    """Log weights and confusion matrices over training as series for the step slider.

    best_counts: confusion counts of the best epoch, which is part of the series too.
    """
    sheets = {
        ("first_layer_weights", step): weights.sheet(step, most_units=UNITS_IN_SERIES)
        for step in weights.steps
    }
    matrices = {
        ("confusion_matrix", epoch): confusion_image(
            counts, class_names=dataset.class_names, title=f"epoch {epoch}"
        )
        for epoch, counts in {**fit.confusions, fit.best_epoch: best_counts}.items()
    }
    run.log_pictures(sheets | matrices)


@final
class WeightPictures:
    """First-layer weights of a training as images; order and scale are worked out only once.

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
            self._limit = shared_scale_limit(*self._images.values())

    def sheet(self, step: int, *, most_units: int) -> np.ndarray:
        """Return the weights of a step, of some units where there are many, RGB `[H, W, 3]`."""
        return weight_sheet(
            self._images[step],
            title=f"first-layer weights, step {step:,}",
            order=self._order,
            most_units=most_units,
            scale_limit=self._limit,
            class_names=self._names,
            pixels_used=self._used,
        )

    def draw_over_training(self, path: Path) -> None:
        """Draw all steps side by side as a PNG."""
        draw_weights_over_training(
            self._images, path=path, class_names=self._names, pixels_used=self._used
        )
