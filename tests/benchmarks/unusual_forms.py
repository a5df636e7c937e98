"""Digits as MNIST's writers hardly drew them, as pictures: strokes drawn by program.

`src.data.drawn` draws such forms to train on in a way of its own; what is measured here is
whether a model reads them when another hand draws them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

SIDE = 200
DRAWN = 500
"""Pictures of each form."""


def one(rng: np.random.Generator, *, flag: bool, foot: bool) -> list[list]:
    """Return the strokes of a 1, each the corners x and y in a square of 1 from the upper left."""
    stem = [(0.5, 0), (0.5 + rng.uniform(-0.03, 0.03), 1)]
    if flag:
        stem.insert(0, (0.5 - rng.uniform(0.15, 0.4), rng.uniform(0.12, 0.38)))
    left, right = 0.5 - rng.uniform(0.15, 0.35), 0.5 + rng.uniform(0.15, 0.35)
    return [stem, [(left, 1), (right, 1)]] if foot else [stem]


def crossed_seven(rng: np.random.Generator) -> list[list]:
    """Return the strokes of a 7 with a bar through its stem, some with a serif on the left."""
    left, right = 0.5 - rng.uniform(0.25, 0.37), 0.5 + rng.uniform(0.25, 0.37)
    foot = rng.uniform(left, 0.55)
    top = [(left, rng.uniform(0, 0.06)), (right, rng.uniform(-0.03, 0.05)), (foot, 1)]
    if rng.random() < 0.25:
        top.insert(0, (left, rng.uniform(0.1, 0.2)))
    y = rng.uniform(0.42, 0.6)
    middle = right + (foot - right) * y
    half = rng.uniform(0.15, 0.28)
    return [top, [(middle - half, y + rng.uniform(-0.04, 0.04)), (middle + half, y)]]


def open_four(rng: np.random.Generator) -> list[list]:
    """Return the strokes of a 4 whose arm and stem do not meet at the top."""
    left, bar, right = rng.uniform(0.1, 0.22), rng.uniform(0.52, 0.68), rng.uniform(0.75, 0.9)
    stem = rng.uniform(0.58, 0.72)
    arm = [(left + rng.uniform(0, 0.15), rng.uniform(0, 0.12)), (left, bar), (right, bar)]
    return [arm, [(stem, rng.uniform(0, 0.35)), (stem, 1)]]


UNUSUAL: dict[str, tuple[str, Callable[[np.random.Generator], list[list]]]] = {
    "a 1 with a flag": ("1", partial(one, flag=True, foot=False)),
    "a 1 with flag and foot": ("1", partial(one, flag=True, foot=True)),
    "a 1 with a foot": ("1", partial(one, flag=False, foot=True)),
    "a crossed 7": ("7", crossed_seven),
    "an open 4": ("4", open_four),
}


def drawn(form: str) -> Iterator[tuple[np.ndarray, str]]:
    """Yield pictures of a form, dark on light, with bent and rounded strokes of any pen."""
    rng = np.random.default_rng(0)
    label, strokes_of = UNUSUAL[form]
    for _ in range(DRAWN):
        yield picture_of(strokes_of(rng), rng), label


def picture_of(strokes: list[list], rng: np.random.Generator) -> np.ndarray:
    """Return a picture of strokes, 80 to 150 pixels high, slanted, turned by up to 8 degrees."""
    height = rng.uniform(80, 150)
    width, slant = height * rng.uniform(0.55, 0.95), height * rng.uniform(-0.35, 0.25)
    turn, pen = np.radians(rng.uniform(-8, 8)), 2 * height * rng.uniform(0.05, 0.16)
    page = Image.new("L", (2 * SIDE, 2 * SIDE), 255)
    to_pixels = np.array([[width, slant], [0, height]]).T
    to_pixels = to_pixels @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    middle, rounds = SIDE / 2 + rng.uniform(-12, 12, 2), rng.integers(4)
    for corners in strokes:
        moved = np.array(corners) - 0.5 + rng.normal(0, 0.015, (len(corners), 2))
        line = np.concatenate([bent(*ends, rng) for ends in pairwise(moved)])
        for _ in range(rounds):
            line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
        for x, y in 2 * (line @ to_pixels + middle):
            box = (x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2)
            ImageDraw.Draw(page).ellipse(box, fill=0)
    return np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX))


def bent(start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return points close to each other on a slight arc from start to end, `[40, 2]`."""
    share = np.linspace(0, 1, 40)[:, np.newaxis]
    aside = (end - start)[::-1] * (-1, 1) * rng.normal(0, 0.05)
    return start + (end - start) * share + 4 * aside * share * (1 - share)
