"""A picture of a digit made like the training images: ink found, cropped, scaled, centred.

MNIST's own images were made so (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/): the
digit's longer side scaled to 20 pixels, anti-aliased, and its centre of mass put on pixel (14, 14)
of 28 x 28. Other sizes keep these proportions.
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from PIL import Image

from src.inference.ink import Ink, find_ink
from src.inference.pictures import Picture

DIGIT_SHARE = 20 / 28
CENTRE_SHARE = 14 / 28
DARK = 64
"""Grey value, 0..255, below which a background counts as dark, and an image as empty."""


Problem = Literal["no ink", "several digits"]


@final
@dataclass(frozen=True)
class Prepared:
    """What the network is to see, uint8 `[H, W]`, and how it came about.

    problem: why there is nothing to recognise or None. as_it_was:
    the picture had the training images' form already. box: (left, top, right, bottom) of the ink
    in `Picture.colours`, None where no ink was found or looked for.
    """

    pixels: np.ndarray
    problem: Problem | None = None
    as_it_was: bool = False
    box: tuple[int, int, int, int] | None = None


def prepare(picture: Picture, *, height: int, width: int) -> Prepared:
    """Bring a picture into the form of the training images, ink bright on black.

    A grey picture of exactly `height` x `width` pixels on a dark background is left as it is.
    """
    if picture.grey is not None and _is_ready(picture.grey, (height, width)):
        problem: Problem | None = "no ink" if picture.grey.max() < DARK else None
        return Prepared(picture.grey, problem, as_it_was=True)
    ink = find_ink(picture.colours)
    if ink is None:
        return Prepared(np.zeros((height, width), np.uint8), "no ink")
    problem = "several digits" if ink.digits > 1 else None
    return Prepared(_normalised(ink, height=height, width=width), problem, box=ink.box)


def _is_ready(grey: np.ndarray, shape: tuple[int, int]) -> bool:
    if grey.shape != shape:
        return False
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    return bool(np.median(border) < DARK)


def _normalised(ink: Ink, *, height: int, width: int) -> np.ndarray:
    left, top, right, bottom = ink.box
    digit = Image.fromarray(ink.amount[top:bottom, left:right])
    factor = DIGIT_SHARE * min(height, width) / max(digit.size)
    size = (max(1, round(digit.width * factor)), max(1, round(digit.height * factor)))
    area = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
    small = np.asarray(digit.resize(size, area)).clip(0, 1)
    return _centred(small / small.max(), height=height, width=width)


def _centred(digit: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Return uint8 `[height, width]` with the centre of mass of `digit` (0..1) in its middle."""
    page = np.zeros((height, width), np.float32)
    corner = []
    for axis, (side, own) in enumerate(zip(page.shape, digit.shape, strict=True)):
        mass = digit.sum(axis=1 - axis)
        centre = float((mass * np.arange(own)).sum() / mass.sum())
        corner.append(int(np.clip(round(CENTRE_SHARE * side - centre), 0, side - own)))
    y, x = corner
    page[y : y + digit.shape[0], x : x + digit.shape[1]] = digit
    return (page * 255).round().astype(np.uint8)
