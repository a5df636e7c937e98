"""Finds the ink in a picture: dark or light, in any colour, under uneven light, among specks."""

from dataclasses import dataclass, replace
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


EDGE = 0.15
"""Of the picture's side; a strip of another colour along all of a side, no wider, is cut off."""
WHOLE = 0.97
"""Share of a strip's pixels that are not paper."""
LINE = 0.04
"""Of the picture's longer side; a line that nobody wrote is at most so thick."""
MIN_HEIGHT = 0.15
"""Of the picture's; less beside a line or a box is no digit of its own."""
TRACE = 0.1
"""Of full ink; the soft edge of ink ends where it is fainter."""
RIM = 0.5
"""Of full ink; the box goes so far."""
SOFT = 0.08
"""Width of the soft edge around ink that is kept, at most, of the ink's longer side."""


@final
@dataclass(frozen=True)
class Ink:
    """Where ink is: amount float32 `[H, W]` in 0..1, its box, and the number of digits in it.

    box: left, top, right, bottom; right and bottom are the first without ink. is_cut: whether it
    hangs together with the picture's edge, or with a box around it, and may be anything.
    """

    amount: np.ndarray
    box: tuple[int, int, int, int]
    digits: int
    is_cut: bool = False


def find_ink(colours: np.ndarray) -> Ink | None:
    """Return the ink of a picture, float32 `[H, W, 3]` in 0..1; None where there is none.

    The background is what changes slowly and reaches the border; ink is what differs from it.
    Edges of a scanner, frames, boxes of forms and lines are no ink.
    """
    inner, edges = _without_edges(colours)
    if min(inner.shape[:2]) < 3:
        return None
    difference = _difference(*_projected(inner))
    smooth = ndimage.gaussian_filter(difference, max(difference.shape) / 400)
    if smooth.max() - smooth.min() < MIN_CONTRAST:
        return None
    threshold = _otsu(smooth)
    above = smooth > threshold
    if not above.any() or above.all():
        return None
    level = float(np.median(smooth[~above]))
    noise = 1.4826 * float(np.median(np.abs(smooth[~above] - level)))
    written, is_cut = _without_lines(above)
    contrast = float(np.quantile(difference[written], FULL_INK)) - level
    if contrast < max(MIN_CONTRAST, MIN_SIGNAL * noise):
        return None
    kept, digits = _parts(written)
    sides = (kept[0], kept[-1], kept[:, 0], kept[:, -1])
    is_cut |= any(cut and side.any() for cut, side in zip(edges, sides, strict=True))
    amount = (difference - level) / contrast
    soft = amount > max(TRACE, 3 * noise / contrast)
    ink = _measured(amount, kept, soft & ~(above & ~written), digits=digits, is_cut=is_cut)
    amount = np.pad(ink.amount, ((edges[0], edges[1]), (edges[2], edges[3])))
    x, y, right, bottom = ink.box
    box = (x + edges[2], y + edges[0], right + edges[2], bottom + edges[0])
    return replace(ink, amount=amount, box=box)


def _without_edges(colours: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return the picture without the strips along its sides, and their widths.

    Widths: top, bottom, left, right. A strip is not of the paper's colour, over all of a side.
    """
    grey = colours @ np.full(3, 1 / 3, np.float32)
    low, high = np.quantile(grey, [0.02, 0.98])
    strange = np.abs(grey - np.median(grey)) > max(0.3 * (high - low), MIN_CONTRAST)
    height, width = grey.shape
    rows = np.count_nonzero(strange, axis=1) >= WHOLE * width
    columns = np.count_nonzero(strange, axis=0) >= WHOLE * height
    top, bottom, left, right = map(_strip, (rows, rows[::-1], columns, columns[::-1]))
    return colours[top : height - bottom, left : width - right], (top, bottom, left, right)


def _strip(strange: np.ndarray) -> int:
    """Return how many lines at the beginning are a strip, with the soft one after them."""
    width = int(np.argmin(strange)) if not strange.all() else len(strange)
    return width + 1 if 0 < width <= EDGE * len(strange) else 0


def _without_lines(above: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the ink without lines and boxes that nobody wrote, where something else is left.

    Also whether what is left is a box itself, to which the ink hangs.
    """
    labels, number = ndimage.label(above, np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    large = [k for k in range(number) if areas[k] >= SPECK * areas.max()]
    printed = [k for k in large if _is_printed(labels[boxes[k]] == k + 1, boxes[k], above.shape)]
    heights = [boxes[k][0].stop - boxes[k][0].start for k in large if k not in printed]
    if max(heights, default=0) < MIN_HEIGHT * above.shape[0]:  # what is left would be a speck
        return above, any(_spans(boxes[k], above.shape) for k in printed)
    return above & ~np.isin(labels, [k + 1 for k in printed]), False


def _spans(box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    sides = (side.stop - side.start for side in box)
    return all(side >= 0.75 * whole for side, whole in zip(sides, shape, strict=True))


def _is_printed(part: np.ndarray, box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    """Tell whether a part is a box around the others, or a thin line through the picture."""
    height, width = part.shape
    thick = max(2.0, LINE * max(shape))
    if _spans(box, shape):
        straight = [part.any(axis=axis) & (part.mean(axis=axis) > 0.85) for axis in (0, 1)]
        ends = [line[: int(thick) + 1].any() and line[-int(thick) - 1 :].any() for line in straight]
        return all(ends)
    filled = part.mean() > 0.5
    rule = height <= thick and width >= 0.6 * shape[1] and filled
    return rule or (width <= thick and height >= 0.9 * shape[0] and filled)


def _projected(colours: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the values `[H, W]` along the direction in which the colours differ the most.

    So red on green of the same lightness is seen too; for grey pictures it is the grey value.
    Also whether they are light, which a shadow multiplies, rather than a difference of channels.
    """
    if (colours == colours[..., :1]).all():
        return colours[..., 0], True
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


def count_digits(above: np.ndarray) -> int:
    """Count the digits beside each other in ink, bool `[H, W]`, of which there is some."""
    return _parts(above)[1]


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


def _measured(
    amount: np.ndarray, kept: np.ndarray, soft: np.ndarray, *, digits: int, is_cut: bool
) -> Ink:
    """Return the ink's amount on the kept parts and their soft edges, and nothing elsewhere."""
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    reach = max(2, round(SOFT * (max(np.ptp(rows), np.ptp(columns)) + 1)))
    around = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=reach, mask=soft | kept)
    marked = around & (amount > RIM)
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Ink(np.where(around, amount, 0).clip(0, 1).astype(np.float32), box, digits, is_cut)
