"""The form of training images: how they are framed; measured once, so that pictures follow it."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from PIL import Image
from pydantic import ConfigDict

from src.pictures.ink import RIM, count_digits

CALIBRATION_IMAGES = 1_000
"""Of the validation images, kept with a run and made into pictures to choose its threshold by. Of
300, a good model has 99 % right at any probability by chance: it would answer always."""
IMAGES_MEASURED = 500
IMAGES_A_CLASS = 30
ENLARGED_SIDE = 84
"""Shorter side, in pixels at least, at which extents are measured."""
STEADY = 0.2
"""Spread of the middle half of the widths, and of the heights, of objects that were stretched."""
BETWEEN = 0.02
"""Share of the ink that is between black and white in images that have no grey."""


@final
@dataclass(frozen=True)
class Form:
    """How the object stands in an image of `height` x `width` pixels.

    paper, ink: grey values of background and full ink, 0..255. sides: height and width of the
    object in pixels, where both are always about the same; else None, and its longer side is
    `longer` pixels. by_mass: whether its centre of mass is put on `centre`, or else the middle of
    its box. centre: y and x in pixels, 0 is the image's upper or left border. is_binary: whether
    there is no grey. digits: by class, how many digits beside each other its images look like;
    empty is one each.
    """

    height: int
    width: int
    paper: int = 0
    ink: int = 255
    longer: float = 20.0
    sides: tuple[float, float] | None = None
    by_mass: bool = True
    centre: tuple[float, float] = (14.5, 14.5)
    is_binary: bool = False
    digits: tuple[int, ...] = ()
    __pydantic_config__ = ConfigDict(extra="forbid")  # where it is read back

    def amount(self, pixels: np.ndarray) -> np.ndarray:
        """Return how much ink there is, float32, about 0..1, in grey values of this form."""
        return (pixels.astype(np.float32) - self.paper) / (self.ink - self.paper)

    def pixels(self, amount: np.ndarray) -> np.ndarray:
        """Return the grey values, uint8, of amounts of ink, 0..1."""
        return np.rint(self.paper + (self.ink - self.paper) * amount.clip(0, 1)).astype(np.uint8)

    def enlarged(self, pixels: np.ndarray) -> np.ndarray:
        """Return the amount of ink of an image, uint8 `[height, width]`, float32 0..1, enlarged."""
        factor = -(-ENLARGED_SIDE // min(self.height, self.width))
        size = (self.width * factor, self.height * factor)
        small = Image.fromarray(self.amount(pixels).clip(0, 1))
        return np.asarray(small.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)

    def describe(self) -> str:
        """Return which way the ink runs, for people."""
        return "ink bright on dark" if self.ink > self.paper else "ink dark on light"


def mnist_form(height: int, width: int) -> Form:
    """Return the form of MNIST's images; other sizes keep its proportions."""
    share = min(height, width) / 28
    centre = (14.5 / 28 * height, 14.5 / 28 * width)
    return Form(height, width, longer=20 * share, centre=centre)


def evenly(number: int, most: int) -> np.ndarray:
    """Return at most `most` of `number` rows, evenly over all of them, int64."""
    return np.linspace(0, number - 1, min(number, most)).astype(np.int64)


def measure_form(pixels: np.ndarray, labels: np.ndarray, *, num_classes: int) -> Form:
    """Return the form of training images, uint8 `[N, C, H, W]`, with labels int64 `[N]`."""
    rows = evenly(len(pixels), IMAGES_MEASURED)
    grey = pixels[rows].mean(axis=1)
    height, width = grey.shape[1:]
    paper, ink = _levels(grey)
    form = Form(height, width, paper, ink, digits=(1,) * num_classes)
    if paper == ink:
        return form
    large = np.stack([form.enlarged(image) for image in grey])
    marked = large > RIM
    seen = np.flatnonzero(marked.any(axis=(1, 2)))
    if not len(seen):
        return form
    factor = large.shape[1] / height
    measured = [_along(marked[seen], large[seen], axis, factor) for axis in (1, 2)]
    sides, boxes, masses = zip(*measured, strict=True)
    by_mass = sum(m.std() for m in masses) < sum(b.std() for b in boxes)
    y, x = (float(np.median(middle)) for middle in (masses if by_mass else boxes))
    middle = [np.quantile(side, [0.25, 0.5, 0.75]) for side in sides]
    steady = all(high - low < STEADY * half for low, half, high in middle)
    amount, classes = form.amount(grey), labels[rows]
    strong = amount[amount > 0.1]
    of_class = [seen[classes[seen] == k] for k in range(num_classes)]
    digits = [_digits(marked[rows[:IMAGES_A_CLASS]]) for rows in of_class]
    return replace(
        form,
        longer=float(np.median(np.maximum(*sides))),
        sides=(float(middle[0][1]), float(middle[1][1])) if steady else None,
        by_mass=bool(by_mass),
        centre=(y, x),
        is_binary=bool(((strong > 0.15) & (strong < 0.85)).mean() < BETWEEN),
        digits=tuple(digits),
    )


def borders(images: np.ndarray) -> np.ndarray:
    """Return the values at the border of images `[N, H, W]`, a row an image."""
    upper_and_lower = images[:, [0, -1]].reshape(len(images), -1)
    return np.concatenate([upper_and_lower, images[:, :, 0], images[:, :, -1]], axis=1)


def background(grey: np.ndarray) -> float:
    """Return what most of the border of most of the images `[N, H, W]` is."""
    return float(np.median(np.median(borders(grey), axis=1)))


def _levels(grey: np.ndarray) -> tuple[int, int]:
    """Return the grey values of background and full ink in images `[N, H, W]`."""
    paper = background(grey)
    extreme = grey.max if grey.mean() >= paper else grey.min
    return round(paper), round(float(np.median(extreme(axis=(1, 2)))))


def _along(
    marked: np.ndarray, amount: np.ndarray, axis: int, factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the extent, the middle of the box and the centre of mass of each image on an axis."""
    other = 3 - axis
    lines: np.ndarray = np.any(marked, axis=other)
    first, after = lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)
    mass = amount.sum(axis=other)
    centre = (mass * (np.arange(lines.shape[1]) + 0.5)).sum(axis=1) / mass.sum(axis=1)
    return (after - first) / factor, (first + after) / (2 * factor), centre / factor


def _digits(marked: np.ndarray) -> int:
    counts = [count_digits(image) for image in marked]
    return max(1, int(np.quantile(counts, 0.9))) if counts else 1
