"""The files and pictures a finished training leaves on its run, under fixed names."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from src import statistics
from src.data.source import Dataset, LabelledImages
from src.figures.autocorrelation import order_units
from src.figures.canvas import save_picture
from src.figures.confusion import confusion_image, draw_confusion_matrix
from src.figures.curves import draw_learning_curves
from src.figures.misclassified import draw_misclassified
from src.figures.reliability import draw_reliability
from src.figures.weight_tiles import shared_scale_limit
from src.figures.weights import weight_sheet
from src.figures.weights_over_training import draw_weights_over_training
from src.fit import Fit
from src.tracking.run import Run


def write_files(folder: Path, fit: Fit, probabilities: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Write the checkpoint, figures/, tables/ and predictions/ of the best epoch.

    Returns its confusion counts, int64 `[K, K]`.

    All are made from the validation images; probabilities float32 `[N, K]` are theirs.
    """
    images, names = dataset.validation, dataset.class_names
    predictions = probabilities.argmax(axis=1)
    figures = folder / "figures"
    figures.mkdir()
    counts = write_predictions(folder, "validation", probabilities, images, names)
    draw_learning_curves(
        fit.classifier.history, best_epoch=fit.best_epoch, path=figures / "learning_curves.png"
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
    snapshots = _weight_images(fit, dataset)
    if snapshots:
        save_picture(
            _sheets(snapshots, fit, dataset)(max(snapshots)), figures / "first_layer_weights.png"
        )
        draw_weights_over_training(
            snapshots,
            path=figures / "weights_over_training.png",
            class_names=_template_names(fit, dataset),
            pixels_used=_pixels_used(dataset),
        )
    (folder / "checkpoint").mkdir()
    shutil.copyfile(fit.checkpoint, folder / "checkpoint" / "best.ckpt")
    return counts


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
    counts = statistics.confusion_counts(
        images.labels, probabilities.argmax(axis=1), num_classes=len(class_names)
    )
    table = pd.DataFrame({"class": class_names, **statistics.per_class_scores(counts)})
    path = folder / "tables" / f"per_class_{split}.csv"
    table.to_csv(path, index=False, float_format="%.4f")
    return counts


def log_series(fit: Fit, dataset: Dataset, run: Run, *, best_counts: np.ndarray) -> None:
    """Log weights and confusion matrices over training as series for the step slider.

    best_counts: confusion counts of the best epoch, which is part of the series too.
    """
    snapshots = _weight_images(fit, dataset)
    if snapshots:
        sheet = _sheets(snapshots, fit, dataset)
        for step in snapshots:
            run.log_picture(sheet(step), key="first_layer_weights", step=step)
    for epoch, counts in sorted({**fit.confusions, fit.best_epoch: best_counts}.items()):
        picture = confusion_image(counts, class_names=dataset.class_names, title=f"epoch {epoch}")
        run.log_picture(picture, key="confusion_matrix", step=epoch)


def _sheets(
    snapshots: dict[int, np.ndarray], fit: Fit, dataset: Dataset
) -> Callable[[int], np.ndarray]:
    """Return what draws the sheet of a step; order and scale are worked out once for them all."""
    used = _pixels_used(dataset)
    order = order_units(snapshots[max(snapshots)], pixels_used=used)
    limit = shared_scale_limit(*snapshots.values())

    def sheet(step: int) -> np.ndarray:
        return weight_sheet(
            snapshots[step],
            title=f"first-layer weights, step {step:,}",
            order=order,
            scale_limit=limit,
            class_names=_template_names(fit, dataset),
            pixels_used=used,
        )

    return sheet


def _weight_images(fit: Fit, dataset: Dataset) -> dict[int, np.ndarray]:
    shape = dataset.train.pixels.shape[1:]
    return {step: weights.reshape(-1, *shape) for step, weights in fit.weights.items()}


def _template_names(fit: Fit, dataset: Dataset) -> tuple[str, ...] | None:
    """Return the class names where the first layer is the only one: a template a class."""
    return dataset.class_names if fit.classifier.is_linear else None


def _pixels_used(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.train.pixels.any(axis=(0, 1)))
