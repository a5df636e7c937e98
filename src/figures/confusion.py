"""Which classes are taken for which: the confusion matrix, with its errors in colour.

A good classifier puts nearly everything on the diagonal, and one colour scale over all cells
then shows nothing else. So only the errors are coloured, on a scale of their own; right answers
are grey cells with a number.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import (
    blank,
    colour_bar,
    colour_bar_width,
    save_picture,
    text_width,
    trimmed,
    write,
    write_upwards,
)
from src.figures.style import MUTED, colour_table

MOST_NUMBERED_CLASSES = 15
LABEL_SIZE = 11
LONGEST_LABEL = 130
RIGHT = np.array((228, 228, 228), dtype=np.uint8)
NO_IMAGES = np.array((250, 246, 228), dtype=np.uint8)
# The error scale ends at the first of these shares of a row that no error exceeds: few different
# scales, so that the pictures of several runs compare.
SHARE_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MARGIN = 12


def draw_confusion_matrix(
    counts: np.ndarray, *, class_names: Sequence[str], path: Path, title: str = "Confusion matrix"
) -> None:
    """Draw the counts and the row-normalised matrix side by side as a PNG at `path`.

    counts: int64 `[K, K]`, rows true, columns predicted. Only errors are coloured. Up to 15
    classes the cells carry numbers.
    """
    shares = row_shares(counts)
    cell = _cell_size(len(counts), smallest=12)
    top_count = max(1, int(_errors_only(counts).max()))
    top_share = _share_scale(shares)
    left = _panel(
        _cells(counts, counts, full_at=top_count),
        class_names,
        cell=cell,
        numbers=_count_texts(counts),
        dark=_errors_only(counts) > 0.6 * top_count,
        caption="number of images",
        scale=("errors: 1", f"{top_count:,} images"),
    )
    right = _panel(
        _cells(shares, counts, full_at=top_share),
        class_names,
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
    counts: np.ndarray, *, class_names: Sequence[str], title: str = "", full_at: float = 0.05
) -> np.ndarray:
    """Return a small row-normalised matrix as uint8 RGB `[H, W, 3]`, for a series over epochs.

    counts: int64 `[K, K]`, rows true, columns predicted. full_at: the share of a row, 0..1, from
    which on an error has the deepest colour; the same in all pictures of a series.
    """
    shares = row_shares(counts)
    num_classes = len(counts)
    panel = _panel(
        _cells(shares, counts, full_at=full_at),
        class_names,
        cell=max(12 if num_classes <= 62 else 1, 280 // num_classes),
        numbers=None,
        dark=np.zeros(counts.shape, dtype=bool),
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


def _cell_size(num_classes: int, *, smallest: int) -> int:
    if num_classes > 62:
        return max(1, 62 * smallest // num_classes)
    numbered = 38 if num_classes <= MOST_NUMBERED_CLASSES else smallest
    return min(100, max(numbered, 440 // num_classes))


def _count_texts(counts: np.ndarray) -> list[list[str]] | None:
    if len(counts) > MOST_NUMBERED_CLASSES:
        return None
    return [[f"{n:,}" if n < 10_000 else f"{n / 1000:.0f}k" for n in row] for row in counts]


def _share_texts(shares: np.ndarray) -> list[list[str]] | None:
    if len(shares) > MOST_NUMBERED_CLASSES:
        return None
    return [[f"{100 * share:.1f}" if share else "0" for share in row] for row in shares]


def _panel(
    cells: np.ndarray,
    class_names: Sequence[str],
    *,
    cell: int,
    numbers: list[list[str]] | None,
    dark: np.ndarray,
    caption: str,
    scale: tuple[str, str],
) -> Image.Image:
    """Draw one matrix with its class names, caption and colour scale."""
    names = [trimmed(name, size=LABEL_SIZE, width=LONGEST_LABEL) for name in class_names]
    longest = max(text_width(name, size=LABEL_SIZE) for name in names)
    upwards = longest > cell
    side = cell * len(cells)
    left, top = 24 + longest + 8, 26
    below = longest + 8 if upwards else LABEL_SIZE + 8
    bar_width = colour_bar_width(low=scale[0], high=scale[1])
    width = max(left + side, text_width(caption, size=13), bar_width) + MARGIN
    image, pen = blank(width=width, height=top + side + below + 18 + 28)
    write(pen, (left, 4), caption, size=13)
    image.paste(_grid(cells, cell=cell), (left, top))
    _write_names(image, names, left=left, top=top, cell=cell, upwards=upwards)
    write(pen, (left + side / 2, top + side + below), "predicted", colour=MUTED, anchor="ma")
    write_upwards(image, (10, top + side // 2), "true", size=12, anchor="middle")
    if numbers is not None:
        _write_numbers(pen, numbers, dark, left=left, top=top, cell=cell)
    bar_left = max(0, min(left, width - MARGIN - bar_width))
    bar_at = (bar_left, top + side + below + 18 + 16)
    colour_bar(image, bar_at, _error_colours(), low=scale[0], high=scale[1])
    return image


def _grid(cells: np.ndarray, *, cell: int) -> Image.Image:
    """Return the cells as squares, with thin lines between them where there is room."""
    pixels = cells.repeat(cell, axis=0).repeat(cell, axis=1)
    if cell >= 6:
        pixels[::cell] = pixels[:, ::cell] = 212
    pixels[-1] = pixels[0] = pixels[:, -1] = pixels[:, 0] = 170
    return Image.fromarray(pixels)


def _write_names(
    image: Image.Image, names: list[str], *, left: int, top: int, cell: int, upwards: bool
) -> None:
    pen = ImageDraw.Draw(image)
    bottom = top + cell * len(names)
    every = -(-LABEL_SIZE // cell)  # cells lower than a line: not every name has room
    for index in range(0, len(names), every):
        middle = index * cell + cell // 2
        write(pen, (left - 6, top + middle), names[index], size=LABEL_SIZE, anchor="rm")
        if upwards:
            write_upwards(image, (left + middle, bottom + 4), names[index], size=LABEL_SIZE)
        else:
            at = (left + middle, bottom + 4)
            write(pen, at, names[index], size=LABEL_SIZE, anchor="ma")


def _write_numbers(
    pen: ImageDraw.ImageDraw,
    numbers: list[list[str]],
    dark: np.ndarray,
    *,
    left: int,
    top: int,
    cell: int,
) -> None:
    for row, texts in enumerate(numbers):
        for column, text in enumerate(texts):
            colour = "#ffffff" if dark[row, column] else "#bbbbbb" if text == "0" else "#222222"
            at = (left + column * cell + cell / 2, top + row * cell + cell / 2)
            write(pen, at, text, size=LABEL_SIZE, colour=colour, anchor="mm")


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
