"""Draws everything that a report shows, and says what could not be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import Predictions, named
from src.data.source import Dataset, LabelledImages
from src.figures.confusion import (
    SHARE_SCALES,
    confusion_card,
    row_shares,
)
from src.figures.curves import draw_curves_together
from src.figures.misclassified import draw_only_one_right
from src.figures.style import save_picture
from src.figures.weights import shared_scale_limit, weight_sheet
from src.stats.scores import confusion_counts


@final
@dataclass(frozen=True)
class ReportInputs:
    """What is known of a contender beside its predictions; None where it cannot be had any more.

    curves: of every seed, `val_accuracy` and `val_loss` by epoch. images: those that were
    predicted. weights: first layer `[U, C, H, W]`; linear: it is the only layer.
    """

    curves: Sequence[Mapping[str, Sequence[float]]]
    dataset: Dataset | None
    images: LabelledImages | None
    weights: np.ndarray | None
    linear: bool


@final
@dataclass(frozen=True)
class Picture:
    """A PNG with words for those who cannot see it."""

    path: Path
    words: str


@final
@dataclass(frozen=True)
class FigureGroup:
    """Pictures of one kind beside each other, with what to know when looking at them."""

    title: str
    words: str
    pictures: list[Picture]


def draw_galleries(
    folder: Path,
    selection: Selection,
    predictions: Sequence[Predictions],
    materials: Sequence[ReportInputs],
) -> list[FigureGroup]:
    """Draw all pictures into a folder; those that need what is missing are left out."""
    galleries = [
        _curves(folder, selection.contenders, materials),
        _confusions(folder, selection.contenders, predictions),
        _weights(folder, selection.contenders, predictions, materials),
        _alone(folder, selection.contenders, predictions, materials),
    ]
    return [gallery for gallery in galleries if gallery.pictures]


def _curves(
    folder: Path, contenders: Sequence[Contender], materials: Sequence[ReportInputs]
) -> FigureGroup:
    pictures = []
    for metric in ("accuracy", "loss"):
        curves = {
            named(contender): [seed[f"val_{metric}"] for seed in material.curves]
            for contender, material in zip(contenders, materials, strict=True)
            if all(seed[f"val_{metric}"] for seed in material.curves)  # else trained on every row
        }
        if not curves:
            continue
        path = folder / f"validation_{metric}.png"
        draw_curves_together(curves, metric=metric, path=path)
        pictures.append(Picture(path, f"Validation {metric} over the epochs of every run"))
    seeds = any(len(c.runs) > 1 for c in contenders)
    words = "On the validation images, a line a seed." if seeds else "On the validation images."
    return FigureGroup("Learning curves", words, pictures)


def _confusions(
    folder: Path, contenders: Sequence[Contender], predictions: Sequence[Predictions]
) -> FigureGroup:
    counts = [_counts(found) for found in predictions]
    worst = max(float((row_shares(c) - np.diag(np.diag(row_shares(c)))).max()) for c in counts)
    full_at = next(scale for scale in SHARE_SCALES if worst <= scale)
    pictures = []
    for place, (contender, found) in enumerate(zip(contenders, predictions, strict=True)):
        path = folder / f"confusion_matrix_{place + 1}.png"
        picture = confusion_card(counts[place], class_names=found.class_names, full_at=full_at)
        save_picture(picture, path)
        pictures.append(Picture(path, f"Confusion matrix of {contender.label}"))
    words = (
        "Rows are true classes, columns predicted ones, numbers percent of the row; colour shows "
        f"errors, on one scale for all models.{_of_one_seed(contenders)}"
    )
    return FigureGroup("Confusion matrices", words, pictures)


def _weights(
    folder: Path,
    contenders: Sequence[Contender],
    predictions: Sequence[Predictions],
    materials: Sequence[ReportInputs],
) -> FigureGroup:
    pictures = []
    for place, material in enumerate(materials):
        if material.weights is None or material.dataset is None:
            continue
        path = folder / f"first_layer_weights_{place + 1}.png"
        sheet = weight_sheet(
            material.weights,
            title=contenders[place].label,
            scale_limit=_limit(materials, linear=material.linear),
            class_names=predictions[place].class_names if material.linear else None,
            pixels_used=material.dataset.pixels_used,
        )
        save_picture(sheet, path)
        pictures.append(Picture(path, f"First-layer weights of {contenders[place].label}"))
    words = (
        "Of the epoch kept; linear models share one colour scale, networks another."
        f"{_of_one_seed(contenders)}"
    )
    return FigureGroup("First-layer weights", words, pictures)


def _limit(materials: Sequence[ReportInputs], *, linear: bool) -> float:
    """Return the scale of one kind of model: a template a class is no hidden unit."""
    same = [m.weights for m in materials if m.weights is not None and m.linear == linear]
    return shared_scale_limit(*same)


def _alone(
    folder: Path,
    contenders: Sequence[Contender],
    predictions: Sequence[Predictions],
    materials: Sequence[ReportInputs],
) -> FigureGroup:
    pictures = []
    for one, other in _best_against_others(predictions):
        for right, wrong in ((one, other), (other, one)):
            images = materials[right].images
            if images is None:
                continue
            path = folder / f"only_{right + 1}_not_{wrong + 1}.png"
            names = contenders[right].label, contenders[wrong].label
            draw_only_one_right(
                images.pixels,
                images.labels,
                predictions[right].classes[0],
                predictions[wrong].classes[0],
                predictions[wrong].probabilities[0].max(axis=1),
                names=names,
                class_names=predictions[right].class_names,
                path=path,
            )
            pictures.append(Picture(path, f"Images that only {names[0]} gets right"))
    words = f"The best by accuracy against each of the others.{_of_one_seed(contenders)}"
    return FigureGroup("What only one of them gets right", words, pictures)


def _best_against_others(predictions: Sequence[Predictions]) -> list[tuple[int, int]]:
    """Return (place of the best, place of another) for each that saw the same images."""
    accuracies = [found.right.mean() for found in predictions]
    best = int(np.argmax(accuracies))
    return [
        (best, place)
        for place, found in enumerate(predictions)
        if place != best and found.images == predictions[best].images
    ]


def _counts(found: Predictions) -> np.ndarray:
    return confusion_counts(found.labels, found.classes[0], num_classes=len(found.class_names))


def _of_one_seed(contenders: Sequence[Contender]) -> str:
    several = [c for c in contenders if len(c.runs) > 1]
    if not several:
        return ""
    shown = ", ".join(f"{c.label}: seed {c.shown.params['seed']}" for c in several)
    return f" Of several seeds the lowest is shown ({shown})."
