"""Draws everything that a report shows, and says what could not be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from src.comparison.contenders import Contender
from src.comparison.judgement import Predictions
from src.data.source import Dataset, LabelledImages
from src.figures.confusion import SHARE_SCALES, confusion_card, row_shares
from src.figures.misclassified import draw_only_one_right
from src.figures.style import save_picture
from src.figures.weights import shared_scale_limit, weight_sheet
from src.stats.scores import confusion_counts


@final
@dataclass(frozen=True)
class ReportInputs:
    """What is known of a contender; None where it cannot be had any more.

    images: those that were predicted. weights: first layer `[U, C, H, W]`; linear: it is the only
    layer.
    """

    contender: Contender
    predictions: Predictions
    dataset: Dataset | None = None
    images: LabelledImages | None = None
    weights: np.ndarray | None = None
    linear: bool = False

    @property
    def counts(self) -> np.ndarray:
        """Confusion counts of the run that is shown, int64 `[K, K]`."""
        found = self.predictions
        return confusion_counts(found.labels, found.classes[0], num_classes=len(found.class_names))


@final
@dataclass(frozen=True)
class FigureGroup:
    """Pictures of one kind, PNGs by what each shows, with what to know when looking at them.

    captions: whether what a picture shows has to be said, because it does not say so itself.
    """

    title: str
    words: str
    pictures: Mapping[str, Path]
    captions: bool = False


def draw_galleries(folder: Path, inputs: Sequence[ReportInputs]) -> list[FigureGroup]:
    """Draw all pictures into a folder; those that need what is missing are left out."""
    galleries = [draw(folder, inputs) for draw in (_confusions, _weights, _alone)]
    return [gallery for gallery in galleries if gallery.pictures]


def _confusions(folder: Path, inputs: Sequence[ReportInputs]) -> FigureGroup:
    shares = [row_shares(known.counts) for known in inputs]
    worst = max(float((share - np.diag(np.diag(share))).max()) for share in shares)
    full_at = next(scale for scale in SHARE_SCALES if worst <= scale)
    pictures = {}
    for place, known in enumerate(inputs, start=1):
        path, names = folder / f"confusion_matrix_{place}.png", known.predictions.class_names
        save_picture(confusion_card(known.counts, class_names=names, full_at=full_at), path)
        pictures[known.contender.label] = path
    words = (
        "Rows are true classes, columns predicted ones, numbers percent of the row; colour shows "
        f"errors, on one scale for all models.{_of_one_seed(inputs)}"
    )
    return FigureGroup("Confusion matrices", words, pictures, captions=True)


def _weights(folder: Path, inputs: Sequence[ReportInputs]) -> FigureGroup:
    pictures = {}
    for place, known in enumerate(inputs, start=1):
        if known.weights is None or known.dataset is None:
            continue
        path = folder / f"first_layer_weights_{place}.png"
        alike = [k.weights for k in inputs if k.weights is not None and k.linear == known.linear]
        sheet = weight_sheet(
            known.weights,
            title=known.contender.label,
            scale_limit=shared_scale_limit(*alike),  # a template a class is no hidden unit
            class_names=known.predictions.class_names if known.linear else None,
            pixels_used=known.dataset.pixels_used,
        )
        save_picture(sheet, path)
        pictures[f"First-layer weights of {known.contender.label}"] = path
    means = [k.contender.label for k in inputs if "ensemble.members" in k.contender.shown.tags]
    of_first = f" Of several networks the first is shown ({', '.join(means)})." if means else ""
    words = (
        "Of the epoch kept; linear models share one colour scale, networks another."
        f"{_of_one_seed(inputs)}{of_first}"
    )
    return FigureGroup("First-layer weights", words, pictures)


def _alone(folder: Path, inputs: Sequence[ReportInputs]) -> FigureGroup:
    pictures = {}
    best = int(np.argmax([known.predictions.right.mean() for known in inputs]))
    others = [
        place
        for place, known in enumerate(inputs)
        if place != best and known.predictions.images == inputs[best].predictions.images
    ]
    for right, wrong in (pair for other in others for pair in ((best, other), (other, best))):
        one, two = inputs[right], inputs[wrong]
        names = one.contender.label, two.contender.label
        if one.images is None:
            continue
        path = folder / f"only_{right + 1}_not_{wrong + 1}.png"
        draw_only_one_right(
            one.images.pixels,
            one.images.labels,
            one.predictions.classes[0],
            two.predictions.classes[0],
            two.predictions.probabilities[0].max(axis=1),
            names=names,
            class_names=one.predictions.class_names,
            path=path,
        )
        pictures[f"Images that {names[0]} gets right and {names[1]} does not"] = path
    words = f"The best by accuracy against each of the others.{_of_one_seed(inputs)}"
    return FigureGroup("What only one of them gets right", words, pictures)


def _of_one_seed(inputs: Sequence[ReportInputs]) -> str:
    several = [known.contender for known in inputs if len(known.contender.runs) > 1]
    if not several:
        return ""
    shown = ", ".join(f"{c.label}: seed {c.shown.params['seed']}" for c in several)
    return f" Of several seeds the lowest is shown ({shown})."
