"""A picture made like the training images: ink found, cropped, scaled, centred, as they were.

MNIST's own images were made so (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/): the
digit's longer side scaled to 20 pixels of 28, anti-aliased, and its centre of mass put on pixel
(14, 14). What other images are like is measured (`src.pictures.form`).
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from PIL import Image

from src.pictures.form import Form
from src.pictures.ink import Ink, find_ink
from src.pictures.reading import Picture, picture_from_array

NEAR_PAPER = 0.25
"""Amount of ink below which a border counts as paper, and an image as empty."""
MAX_STRETCH = 1.25
"""Of one side against the other."""
PAPER, PEN = 245, 20
"""Grey values of such a picture."""

Problem = Literal["no ink", "several digits", "touches a frame"]


@final
@dataclass(frozen=True)
class Prepared:
    """What the network is to see, uint8 `[H, W]`, and how it came about.

    problem: why there is nothing to recognise or None. digits: how many digits it looks like.
    as_it_was: the picture had the training images' form already. box: (left, top, right, bottom)
    of the ink in `Picture.colours`, None where no ink was found or looked for.
    """

    pixels: np.ndarray
    problem: Problem | None = None
    digits: int = 1
    as_it_was: bool = False
    box: tuple[int, int, int, int] | None = None


def prepare(picture: Picture, form: Form) -> Prepared:
    """Bring a picture into the form of the training images.

    A grey picture of exactly their size, with their background, is left as it is; with the
    contrary background it is inverted.
    """
    if picture.grey is not None and picture.grey.shape == (form.height, form.width):
        amount = form.amount(picture.grey)
        border = np.concatenate([amount[0], amount[-1], amount[1:-1, 0], amount[1:-1, -1]])
        paper = float(np.median(border))
        problem: Problem | None = "no ink" if np.ptp(amount) < NEAR_PAPER else None
        if abs(paper) < NEAR_PAPER:
            return Prepared(picture.grey, problem, as_it_was=True)
        if abs(paper - 1) < NEAR_PAPER:
            return Prepared(form.pixels(1 - amount), problem)
    ink = find_ink(picture.colours)
    if ink is None:
        empty = form.pixels(np.zeros((form.height, form.width)))
        return Prepared(empty, "no ink")
    problem = "touches a frame" if ink.is_cut else None
    if ink.digits > max(form.digits, default=1):
        problem = "several digits"
    return Prepared(_normalised(ink, form), problem, digits=ink.digits, box=ink.box)


def as_picture(pixels: np.ndarray, form: Form) -> Picture:
    """Return a training image, uint8 `[H, W]`, as a picture somebody might bring, ink on paper."""
    amount = form.enlarged(pixels)
    page = np.pad(amount, min(amount.shape) // 4)
    return picture_from_array(np.rint(PAPER - (PAPER - PEN) * page).astype(np.uint8))


def _normalised(ink: Ink, form: Form) -> np.ndarray:
    """Return the grey values of the ink, scaled and placed by the form."""
    left, top, right, bottom = ink.box
    cells = _cells(bottom - top, right - left, form)
    if form.by_mass:
        box = ink.amount[top:bottom, left:right]
        small = _by_mass(_sampled(box, corner=(0, 0), cells=cells, form=form), form, cells, box)
    else:
        middles = ((top + bottom) / 2, (left + right) / 2)
        corner = tuple(m - c * cell for m, c, cell in zip(middles, form.centre, cells, strict=True))
        small = _sampled(ink.amount, corner=corner, cells=cells, form=form)
    small = small / max(float(small.max()), 1e-6)
    return form.pixels(small > 0.5 if form.is_binary else small)


def _by_mass(
    small: np.ndarray, form: Form, cells: tuple[float, float], box: np.ndarray
) -> np.ndarray:
    """Move what lies in the corner by whole pixels, as MNIST's makers did, within the image."""
    moves = []
    for axis, side in enumerate(small.shape):
        mass = small.sum(axis=1 - axis)
        middle = float((mass * (np.arange(side) + 0.5)).sum() / mass.sum())
        room = side - round(box.shape[axis] / cells[axis])
        moves.append(int(np.clip(round(form.centre[axis] - middle), 0, room)))
    return np.roll(small, moves, axis=(0, 1))


def _cells(height: int, width: int, form: Form) -> tuple[float, float]:
    """Return how high and wide a pixel of the image is in the picture."""
    cell = max(height, width) / form.longer
    cell = max(cell, height / form.height, width / form.width)
    if form.sides is None:
        return cell, cell
    high, wide = height / form.sides[0], width / form.sides[1]
    return max(high, wide / MAX_STRETCH), max(wide, high / MAX_STRETCH)


def _sampled(
    amount: np.ndarray, *, corner: tuple[float, ...], cells: tuple[float, float], form: Form
) -> np.ndarray:
    """Return the mean amount of ink in each cell of a grid that begins at `corner`, y and x."""
    shape = form.height, form.width
    ends = [c + n * cell for c, n, cell in zip(corner, shape, cells, strict=True)]
    margins = [
        (max(0, int(np.ceil(-c)) + 1), max(0, int(np.ceil(end - side)) + 1))
        for c, end, side in zip(corner, ends, amount.shape, strict=True)
    ]
    (up, _), (before, _) = margins
    page = Image.fromarray(np.pad(amount, margins))
    box = (corner[1] + before, corner[0] + up, ends[1] + before, ends[0] + up)
    area = Image.Resampling.BOX if min(cells) > 1 else Image.Resampling.BICUBIC
    return np.asarray(page.resize(shape[::-1], area, box=box)).clip(0, 1)
