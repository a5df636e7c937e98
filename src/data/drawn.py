"""Digits drawn as strokes: also forms that MNIST's writers hardly used, as a crossed 7."""

from typing import NamedTuple, final

import numpy as np

from src.data.source import LabelledImages
from src.pictures.form import mnist_form

Stroke = tuple[tuple[float, float], ...]
"""Points, x and y in a square of 1 from the upper left."""


@final
class Form(NamedTuple):
    """A digit as strokes: some straight from corner to corner, some bent past their points."""

    digit: int
    straight: tuple[Stroke, ...]
    bent: tuple[Stroke, ...] = ()


STEM: Stroke = ((0.5, 0), (0.5, 1))
FLAG: Stroke = ((0.2, 0.3), *STEM)
FOOT: Stroke = ((0.2, 1), (0.8, 1))
ANGLE: Stroke = ((0.65, 0), (0.1, 0.65), (0.9, 0.65))
OPEN: Stroke = ((0.25, 0), (0.1, 0.6), (0.9, 0.6))
SEVEN: Stroke = ((0.1, 0), (0.9, 0), (0.4, 1))
LOOP: Stroke = ((0.85, 0.3), (0.6, 0.55), (0.1, 0.5), (0.15, 0), (0.8, 0), (0.87, 0.3))
FORMS = (
    Form(1, (FLAG,)),
    Form(1, (((0.05, 0.3), *STEM),)),
    Form(1, (FLAG, FOOT)),
    Form(1, (STEM, FOOT)),
    Form(7, (SEVEN,)),
    Form(7, (SEVEN, ((0.35, 0.5), (0.85, 0.5)))),
    Form(7, (((0.1, 0.15), *SEVEN),)),
    Form(4, (ANGLE, ((0.65, 0), (0.65, 1)))),
    Form(4, (ANGLE, ((0.65, 0), (0.65, 1)), ((0.4, 1), (0.9, 1)))),
    Form(4, (OPEN, ((0.65, 0.25), (0.65, 1)))),
    Form(0, (), (((0.5, 0), (0, 0), (0, 1), (0.5, 1), (1, 1), (1, 0), (0.5, 0)),)),
    Form(2, (FOOT,), (((0.1, 0.3), (0.2, 0), (0.85, 0), (0.85, 0.4), (0.2, 1)),)),
    Form(3, (), (((0.1, 0.1), (0.9, -0.1), (0.9, 0.4), (0.4, 0.47)),
                 ((0.4, 0.47), (1, 0.5), (1, 1.05), (0.1, 0.95)))),
    Form(5, (((0.85, 0), (0.25, 0), (0.2, 0.45)),),
         (((0.2, 0.45), (0.6, 0.3), (1, 0.5), (0.8, 1.05), (0.1, 0.95)),)),
    Form(6, (),
         (((0.75, 0), (0.2, 0.2), (0, 0.8), (0.3, 1.05), (0.9, 1), (0.9, 0.5), (0.1, 0.6)),)),
    Form(8, (), (((0.5, 0.48), (0, 0.4), (0.1, 0), (0.9, 0), (1, 0.4), (0.5, 0.48)),
                 ((0.5, 0.48), (-0.1, 0.6), (0, 1), (1, 1), (1.1, 0.6), (0.5, 0.48)))),
    Form(9, (((0.87, 0.1), (0.8, 1)),), (LOOP,)),
    Form(9, (), (LOOP, ((0.87, 0.2), (0.9, 0.9), (0.5, 1), (0.2, 0.9)))),
)  # fmt: skip
SIDE = 28
POINT_SD = 0.05
WIDTHS = (0.45, 0.95)
SLANTS = (-0.35, 0.25)
PENS = (1.5, 4.5)
"""Of the height; how far the foot is moved by the height; pixels of 28."""


def draw_digits(number: int) -> LabelledImages:
    """Return images `[number, 1, 28, 28]` in MNIST's form, as many of each form as can be.

    Points, width, slant and pen are drawn anew for each. The labels are the digits themselves.
    """
    rng = np.random.default_rng(0)
    counts = [len(part) for part in np.array_split(np.arange(number), len(FORMS))]
    drawn = [
        _inked(_segments(form, count, rng), rng) for form, count in zip(FORMS, counts, strict=True)
    ]
    labels = np.repeat([form.digit for form in FORMS], counts).astype(np.int64)
    return LabelledImages(np.concatenate(drawn)[:, np.newaxis], labels)


def _segments(form: Form, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the ends of the segments of a form, each time others, float `[count, 2, S, 2]`."""
    ends = []
    for stroke in (*form.straight, *form.bent):
        points = np.array(stroke) + rng.normal(0, POINT_SD, (count, len(stroke), 2))
        for _ in range(2 if stroke in form.bent else 0):
            points = _corners_cut(points)
        ends.append(np.stack([points[:, :-1], points[:, 1:]], axis=1))
    x, y = np.moveaxis(np.concatenate(ends, axis=2), 3, 0)
    width, slant = (rng.uniform(*limits, (count, 1, 1)) for limits in (WIDTHS, SLANTS))
    return np.stack([width * x + slant * y, y], axis=3)


def _corners_cut(points: np.ndarray) -> np.ndarray:
    """Return two points for each inner one of `[N, P, 2]`, a quarter of the way off (Chaikin)."""
    before, after = points[:, :-1], points[:, 1:]
    pairs = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=2)
    inner = pairs.reshape(len(points), 2 * before.shape[1], 2)[:, 1:-1]
    return np.concatenate([points[:, :1], inner, points[:, -1:]], axis=1)


def _inked(segments: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images, uint8 `[N, 28, 28]`, of segments `[N, 2, S, 2]` drawn with a round pen.

    The longer side and the centre of mass are those of MNIST's images.
    """
    form = mnist_form(SIDE, SIDE)
    pen = rng.uniform(*PENS, (len(segments), 1, 1, 1))
    extent = np.ptp(segments, axis=(1, 2)).max(axis=1).reshape(-1, 1, 1, 1)
    segments = (segments * (form.longer - pen) / extent).astype(np.float32)
    length = np.linalg.norm(np.diff(segments, axis=1)[:, 0], axis=2)[..., np.newaxis]
    mass = (segments.mean(axis=1) * length).sum(axis=1) / length.sum(axis=1)
    segments += (form.centre - mass)[:, np.newaxis, np.newaxis].astype(np.float32)
    middles = np.arange(SIDE, dtype=np.float32) + 0.5
    nearest = np.full((len(segments), SIDE, SIDE), np.inf, np.float32)
    for ends in np.moveaxis(segments, 2, 0)[..., np.newaxis, np.newaxis]:
        along_x, along_y = np.moveaxis(ends[:, 1] - ends[:, 0], 1, 0)
        x, y = middles - ends[:, 0, 0], middles[:, np.newaxis] - ends[:, 0, 1]
        share = (x * along_x + y * along_y) / (along_x**2 + along_y**2)
        np.clip(share, 0, 1, out=share)
        distance = np.square(x - share * along_x) + np.square(y - share * along_y)
        np.minimum(nearest, distance, out=nearest)
    return form.pixels(pen[:, 0] / 2 - np.sqrt(nearest) + 0.5)
