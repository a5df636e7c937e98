"""Which classes are taken for which: the confusion matrix, with its errors in colour.

A good classifier puts nearly everything on the diagonal, and one colour scale over all cells
then shows nothing else. So only the errors are coloured, on a scale of their own; right answers
are grey cells with a number.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from src.figures.canvas import blank, save_picture, text_width, write
from src.figures.matrix import MARGIN, MOST_NUMBERED_CLASSES, cell_size, matrix_panel
from src.figures.style import MUTED, colour_table

RIGHT = np.array((228, 228, 228), dtype=np.uint8)
NO_IMAGES = np.array((250, 246, 228), dtype=np.uint8)
# The error scale ends at the first of these shares of a row that no error exceeds: few different
# scales, so that the pictures of several runs compare.
SHARE_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def draw_confusion_matrix(
    counts: np.ndarray, *, class_names: Sequence[str], path: Path, title: str = "Confusion matrix"
) -> None:
    """Draw the counts and the row-normalised matrix side by side as a PNG at `path`.

    counts: int64 `[K, K]`, rows true, columns predicted. Only errors are coloured. Up to 15
    classes the cells carry numbers.
    """
    shares = row_shares(counts)
    cell = cell_size(len(counts), smallest=12)
    top_count = max(1, int(_errors_only(counts).max()))
    top_share = _share_scale(shares)
    left = matrix_panel(
        _cells(counts, counts, full_at=top_count),
        class_names,
        colours=_error_colours(),
        cell=cell,
        numbers=_count_texts(counts),
        dark=_errors_only(counts) > 0.6 * top_count,
        caption="number of images",
        scale=("errors: 1", f"{top_count:,} images"),
    )
    right = matrix_panel(
        _cells(shares, counts, full_at=top_share),
        class_names,
        colours=_error_colours(),
        cell=cell,
        numbers=_share_texts(shares),
        dark=_errors_only(shares) > 0.6 * top_share,
        caption="percent of the true class (row)",
        scale=("errors: above 0 %", f"{100 * top_share:g} %"),
    )
    total, hits = int(counts.sum()), int(np.trace(counts))
    share = f" ({100 * hits / total:.2f} %)" if total else ""
    heading = f"{title}: {hits:,} of {total:,} right{share}"
    note = "Colour shows errors only; right answers, on the diagonal, are grey."
    if (counts.sum(axis=1) == 0).any():
        note += " Pale yellow: no images of this class."
    save_picture(_side_by_side(left, right, heading=heading, note=note), path)


def confusion_image(
    counts: np.ndarray,
    *,
    class_names: Sequence[str],
    title: str = "",
    full_at: float = 0.05,
    numbered: bool = False,
) -> np.ndarray:
    """Return a small row-normalised matrix as uint8 RGB `[H, W, 3]`, for a series over epochs.

    counts: int64 `[K, K]`, rows true, columns predicted. full_at: the share of a row, 0..1, from
    which on an error has the deepest colour; the same in all pictures of a series. numbered: write
    percentages into the cells, up to 15 classes.
    """
    shares = row_shares(counts)
    num_classes = len(counts)
    panel = matrix_panel(
        _cells(shares, counts, full_at=full_at),
        class_names,
        colours=_error_colours(),
        cell=cell_size(num_classes, smallest=12)
        if numbered
        else max(12 if num_classes <= 62 else 1, 280 // num_classes),
        numbers=_share_texts(shares) if numbered else None,
        dark=_errors_only(shares) > 0.6 * full_at,
        caption=title or "percent of the true class (row)",
        scale=("errors: above 0 %", f"{100 * full_at:g} % or more"),
    )
    return np.asarray(panel)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Return float64 `[K, K]`, each row divided by its sum; rows without images are 0."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _errors_only(values: np.ndarray) -> np.ndarray:
    errors = values.copy()
    np.fill_diagonal(errors, 0)
    return errors


def _share_scale(shares: np.ndarray) -> float:
    worst = _errors_only(shares).max()
    return next(scale for scale in SHARE_SCALES if worst <= scale)


@lru_cache
def _error_colours() -> np.ndarray:
    # begins well away from white: a single error must differ from none
    return colour_table("Reds", start=0.12, stop=0.95)


def _cells(values: np.ndarray, counts: np.ndarray, *, full_at: float) -> np.ndarray:
    """Return the colour of every cell, uint8 `[K, K, 3]`."""
    colours = _error_colours()
    depth = np.clip(values / full_at, 0, 1) * (len(colours) - 1)
    cells = colours[depth.astype(np.int64)]
    cells[values == 0] = 255
    diagonal = np.arange(len(counts))
    cells[diagonal, diagonal] = RIGHT
    cells[counts.sum(axis=1) == 0] = NO_IMAGES
    return cells


def _count_texts(counts: np.ndarray) -> list[list[str]] | None:
    if len(counts) > MOST_NUMBERED_CLASSES:
        return None
    return [[f"{n:,}" if n < 10_000 else f"{n / 1000:.0f}k" for n in row] for row in counts]


def _share_texts(shares: np.ndarray) -> list[list[str]] | None:
    if len(shares) > MOST_NUMBERED_CLASSES:
        return None
    return [[f"{100 * share:.1f}" if share else "0" for share in row] for row in shares]


def _side_by_side(left: Image.Image, right: Image.Image, *, heading: str, note: str) -> Image.Image:
    top, gap = 56, 20
    words = max(text_width(heading, size=15, bold=True), text_width(note, size=12))
    width = MARGIN + max(left.width + gap + right.width, words + MARGIN)
    image, pen = blank(width=width, height=top + left.height)
    write(pen, (MARGIN, 8), heading, size=15, bold=True)
    write(pen, (MARGIN, 32), note, colour=MUTED)
    image.paste(left, (MARGIN, top))
    image.paste(right, (MARGIN + left.width + gap, top))
    return image
