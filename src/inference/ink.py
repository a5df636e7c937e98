"""Finds the ink in a picture: dark or light, in any colour, under uneven light, among specks."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from PIL import Image
from scipy import ndimage

THUMBNAIL = 96
"""Longer side, in pixels, at which the background is estimated."""
WIDEST_STROKE = 0.34
"""Of the picture's longer side; wider areas of one colour are background."""
BLUR = 3.0
"""Standard deviation, in thumbnail pixels, of the blur that smooths the background."""
FULL_INK = 0.8
"""The quantile of the ink's differences that counts as full ink."""
SOFT_EDGE = 0.01
"""Width of the soft edge around ink that is kept, of the picture's longer side."""
MIN_CONTRAST = 0.08
"""Of ink against its background, 1 is black on white; less is taken for a texture of the paper."""
MIN_SIGNAL = 5.0
"""Contrast of ink in standard deviations of the background's noise."""
BRIDGE = 0.04
"""Gaps in a stroke up to this share of the ink's longer side are closed."""
SPECK = 0.03
"""Parts with less than this share of the largest part's ink are left out."""
DIGIT_HEIGHT = 0.5
"""Two parts beside each other, both at least this high against the highest, are two digits."""
ARM = 0.3
"""But a left one that ends this much above the other's foot, and is as near, is an arm of a 4."""


@final
@dataclass(frozen=True)
class Ink:
    """Where ink is: amount float32 `[H, W]` in 0..1, its box, and the number of digits in it.

    box: left, top, right, bottom; right and bottom are the first without ink.
    """

    amount: np.ndarray
    box: tuple[int, int, int, int]
    digits: int


def find_ink(colours: np.ndarray) -> Ink | None:
    """Return the ink of a picture, float32 `[H, W, 3]` in 0..1; None where there is none.

    The background is what changes slowly and reaches the border; ink is what differs from it.
    """
    if min(colours.shape[:2]) < 3:
        return None
    difference = _difference(*_projected(colours))
    smooth = ndimage.gaussian_filter(difference, max(difference.shape) / 400)
    if smooth.max() - smooth.min() < MIN_CONTRAST:
        return None
    threshold = _otsu(smooth)
    above = smooth > threshold
    if not above.any() or above.all():
        return None
    level = float(np.median(smooth[~above]))
    noise = 1.4826 * float(np.median(np.abs(smooth[~above] - level)))
    contrast = float(np.quantile(difference[above], FULL_INK)) - level
    if contrast < max(MIN_CONTRAST, MIN_SIGNAL * noise):
        return None
    kept, digits = _parts(above)
    return _measured((difference - level) / contrast, kept, digits=digits)


def _projected(colours: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the values `[H, W]` along the direction in which the colours differ the most.

    So red on green of the same lightness is seen too; for grey pictures it is the grey value.
    Also whether they are light, which a shadow multiplies, rather than a difference of channels.
    """
    flat = colours.reshape(-1, 3)
    centred = flat - flat.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    direction = directions[:, -1] / np.abs(directions[:, -1]).sum()
    if direction.sum() < 0:
        direction = -direction
    return (flat @ direction).reshape(colours.shape[:2]), bool(direction.min() >= 0)


def _difference(values: np.ndarray, is_light: bool) -> np.ndarray:
    """Return how far each pixel is from the background on the ink's side of it, at least 0.

    Of dark ink it is the share of the light that it takes away, so that a shadow does not count.
    """
    height, width = values.shape
    factor = min(1.0, THUMBNAIL / max(height, width))
    size = (max(3, round(width * factor)), max(3, round(height * factor)))
    small = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))
    small = ndimage.median_filter(small, 3)
    surface = _surface(small)
    rest = small - surface
    sign = -1.0 if float((rest**3).sum()) < 0 else 1.0  # the ink is the minority
    side = max(3, round(WIDEST_STROKE * max(small.shape)))
    background = ndimage.grey_opening(sign * rest, size=(side, side), mode="nearest")
    background = ndimage.gaussian_filter(background, BLUR) + sign * surface
    background = background.astype(np.float32)
    wide = Image.fromarray(background).resize((width, height), Image.Resampling.BILINEAR)
    difference = np.maximum(sign * values - np.asarray(wide), 0)
    return difference / np.maximum(-np.asarray(wide), 0.1) if is_light and sign < 0 else difference


def _surface(values: np.ndarray) -> np.ndarray:
    """Return a quadratic surface through the border and, step by step, all that is near to it.

    Weights are those of a Cauchy loss (iteratively reweighted least squares), so that ink, which
    is far from the surface, does not draw it.
    """
    sparse = values[:: max(1, values.shape[0] // 32), :: max(1, values.shape[1] // 32)]
    terms = _terms(sparse.shape)
    border = np.ones(sparse.shape, bool)
    border[1:-1, 1:-1] = False
    weights = np.where(border, 1.0, 0.1).ravel()
    flat = sparse.ravel()
    residual = flat - np.median(flat[border.ravel()])
    for _ in range(5):
        scale = 2 * float(np.median(np.abs(residual[border.ravel()]))) + 0.02
        near = weights / (1 + (residual / scale) ** 2)
        root = np.sqrt(near)
        fitted, *_ = np.linalg.lstsq(terms * root[:, None], flat * root, rcond=None)
        residual = flat - terms @ fitted
    return (_terms(values.shape) @ fitted).reshape(values.shape)


@lru_cache
def _terms(shape: tuple[int, int]) -> np.ndarray:
    """Return 1, x, y, xy, x², y² at every pixel, float64 `[H * W, 6]`, x and y in -1..1."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)


def _otsu(values: np.ndarray) -> float:
    """Return the threshold that separates two classes of values best (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * centres).cumsum()
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(between)])


def _parts(above: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the parts that belong to the digit, and how many digits they are.

    A part is what hangs together once small gaps are closed. Specks, dots and the picture's own
    frame are left out.
    """
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    reach = max(1, round(BRIDGE * extent / 2))
    near = ndimage.binary_dilation(above, np.ones((3, 3)), iterations=reach)
    labels, number = ndimage.label(near, np.ones((3, 3)))
    labels = np.where(above, labels, 0)
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    boxes = ndimage.find_objects(labels, max_label=number)
    large = [i for i in range(number) if areas[i] >= SPECK * areas.max()]
    frame = _frame(labels, number)
    chosen = [i for i in large if not frame[i]] or large
    kept = np.isin(labels, [i + 1 for i in chosen])
    return kept, _count_digits([boxes[i] for i in chosen])


def _frame(labels: np.ndarray, number: int) -> np.ndarray:
    """Tell which parts run along a side of the picture, as the edge of a table: bool `[number]`."""
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    shares = [np.bincount(side, minlength=number + 1)[1:] / len(side) for side in sides]
    return np.max(shares, axis=0) > 0.5


def _count_digits(boxes: list[tuple[slice, slice]]) -> int:
    """Count the parts that are high against the highest and stand beside each other.

    A bar above a 5, a dot and a 4 of two strokes overlap from left to right, or are small; an open
    4 has an arm that does not reach down to the line that digits stand on.
    """
    highest = max(box[0].stop - box[0].start for box in boxes)
    parts = sorted(
        (columns.start, columns.stop, rows.stop)
        for rows, columns in boxes
        if rows.stop - rows.start >= DIGIT_HEIGHT * highest
    )
    _, right, foot = parts[0]
    digits = 1
    for start, stop, low in parts[1:]:
        is_arm = start - right < ARM * highest < low - foot
        if start >= right and not is_arm:
            digits, foot = digits + 1, low
        right, foot = max(right, stop), max(foot, low)
    return digits


def _measured(amount: np.ndarray, kept: np.ndarray, *, digits: int) -> Ink:
    """Return the ink's amount on the kept parts and their soft edges, and nothing elsewhere."""
    edge = max(1, round(max(amount.shape) * SOFT_EDGE))
    around = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=edge)
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Ink(np.where(around, amount, 0).clip(0, 1).astype(np.float32), box, digits)
