"""Draws everything that a report shows, and says what could not be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import Predictions, named
from src.data.source import Dataset, LabelledImages
from src.figures.confusion import (
    SHARE_SCALES,
    confusion_image,
    draw_confusion_difference,
    draw_errors_per_class,
    row_shares,
)
from src.figures.curves import draw_curves_together
from src.figures.misclassified import draw_only_one_right
from src.figures.reliability import draw_reliability
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
        _per_class(folder, selection.contenders, predictions),
        _confusions(folder, selection.contenders, predictions),
        _weights(folder, selection.contenders, predictions, materials),
        _alone(folder, selection.contenders, predictions, materials),
        _calibration(folder, selection.contenders, predictions),
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


def _per_class(
    folder: Path, contenders: Sequence[Contender], predictions: Sequence[Predictions]
) -> FigureGroup:
    if not _same_classes(predictions):
        return FigureGroup("", "", [])
    errors = {}
    for contender, found in zip(contenders, predictions, strict=True):
        wrong = 1 - found.right.mean(axis=0)
        sums = np.bincount(found.labels, weights=wrong, minlength=len(found.class_names))
        sizes = np.bincount(found.labels, minlength=len(found.class_names))
        errors[named(contender)] = sums / np.where(sizes > 0, sizes, np.nan)
    path = folder / "errors_per_class.png"
    draw_errors_per_class(errors, class_names=predictions[0].class_names, path=path)
    picture = Picture(path, "Share of each class that is classified wrongly, a bar a model")
    return FigureGroup("Mistakes class by class", "Shorter is better.", [picture])


def _confusions(
    folder: Path, contenders: Sequence[Contender], predictions: Sequence[Predictions]
) -> FigureGroup:
    counts = [_counts(found) for found in predictions]
    worst = max(float((row_shares(c) - np.diag(np.diag(row_shares(c)))).max()) for c in counts)
    full_at = next(scale for scale in SHARE_SCALES if worst <= scale)
    pictures = []
    for place, (contender, found) in enumerate(zip(contenders, predictions, strict=True)):
        path = folder / f"confusion_matrix_{place + 1}.png"
        picture = confusion_image(
            counts[place],
            class_names=found.class_names,
            title=f"{contender.label}: percent of the row",
            full_at=full_at,
        )
        save_picture(picture, path)
        pictures.append(Picture(path, f"Confusion matrix of {contender.label}"))
    for first, second in _best_against_others(predictions):
        path = folder / f"confusion_difference_{first + 1}_{second + 1}.png"
        names = contenders[first].label, contenders[second].label
        draw_confusion_difference(
            counts[first],
            counts[second],
            names=names,
            class_names=predictions[first].class_names,
            path=path,
        )
        pictures.append(Picture(path, f"Confusion matrix of {names[0]} less that of {names[1]}"))
    words = (
        "Rows are true classes, columns predicted ones; colour shows errors, on one scale for all "
        "models. In a difference, red is a mistake that the first makes more often, blue one that "
        f"the second does.{_of_one_seed(contenders)}"
    )
    return FigureGroup("Confusion matrices and their difference", words, pictures)


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


def _calibration(
    folder: Path, contenders: Sequence[Contender], predictions: Sequence[Predictions]
) -> FigureGroup:
    pictures = []
    for place, (contender, found) in enumerate(zip(contenders, predictions, strict=True)):
        path = folder / f"reliability_{place + 1}.png"
        draw_reliability(found.probabilities[0], found.labels, path=path, title=contender.label)
        pictures.append(Picture(path, f"Reliability diagram of {contender.label}"))
    words = (
        "How often a model is right (bars) where it is how sure (across); below the dashed line it "
        f"is surer than it should be.{_of_one_seed(contenders)}"
    )
    return FigureGroup("Calibration", words, pictures)


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


def _same_classes(predictions: Sequence[Predictions]) -> bool:
    return all(a.class_names == b.class_names for a, b in pairwise(predictions))


def _of_one_seed(contenders: Sequence[Contender]) -> str:
    several = [c for c in contenders if len(c.runs) > 1]
    if not several:
        return ""
    shown = ", ".join(f"{c.label}: seed {c.shown.params['seed']}" for c in several)
    return f" Of several seeds the lowest is shown ({shown})."
