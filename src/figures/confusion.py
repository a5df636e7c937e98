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

from src.figures import style
from src.figures.canvas import TEXT_SIZE, class_labels, text_width, write
from src.figures.sheet import Tile, caption, colour_bar, sheet, widened

RIGHT = np.array((228, 228, 228), dtype=np.uint8)
NO_IMAGES = np.array((250, 246, 228), dtype=np.uint8)
# The error scale ends at the first of these shares of a row that no error exceeds: few different
# scales, so that the pictures of several runs compare.
SHARE_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MAX_NUMBERED_CLASSES = 15
MAX_LISTED = 5
"""Of the commonest errors beside a matrix."""
CARD_TEXT = 48
"""Pixels of letters on a card, which the UI shows a quarter as wide."""
SHARES = "percent of the true class (row)"


def draw_confusion_matrix(
    counts: np.ndarray, *, class_names: Sequence[str], path: Path, title: str = "Confusion matrix"
) -> None:
    """Draw the counts and the row-normalised matrix side by side as a PNG at `path`.

    counts: int64 `[K, K]`, rows true, columns predicted. Only errors are coloured. Up to 15
    classes the cells carry numbers, but for those that are 0.
    """
    most = max(1, int(_errors_only(counts).max()))
    ends = ("errors: 1", f"{most:,} images")
    images = _column(
        counts, counts, class_names, full_at=most, form="{:,}", words="number of images", ends=ends
    )
    worst = _errors_only(row_shares(counts)).max()
    full_at = next(scale for scale in SHARE_SCALES if worst <= scale)
    shares = _shares_column(counts, class_names, full_at=full_at, words=SHARES)
    total, hits = int(counts.sum()), int(np.trace(counts))
    share = f" ({100 * hits / total:.2f} %)" if total else ""
    note = "Colour shows errors only; right answers, on the diagonal, are grey."
    if (counts.sum(axis=1) == 0).any():
        note += " Pale yellow: no images of this class."
    title = f"{title}: {hits:,} of {total:,} right{share}"
    style.save_picture(sheet(list(zip(images, shares, strict=True)), title=title, note=note), path)


def confusion_card(
    counts: np.ndarray, *, class_names: Sequence[str], full_at: float = 0.05, words: str = ""
) -> np.ndarray:
    """Return the matrix beside its commonest errors, thrice as wide as high, uint8 `[H, W, 3]`.

    For a place that has a title. counts: int64 `[K, K]`, rows true, columns predicted. full_at: the
    share of a row, 0..1, from which on an error has the deepest colour; the same in all pictures of
    a series. words: above the errors.
    """
    _, panel, _ = _shares_column(counts, class_names, full_at=full_at, words="")
    assert panel.picture is not None
    names, wrong = class_labels(class_names, width=60), _errors_only(counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_LISTED]
    pairs = [divmod(int(k), len(names)) for k in order]
    said = [words] if words else []
    said.append(f"{int(np.trace(counts)):,} of {int(counts.sum()):,} right")
    said += [f"{names[i]} → {names[j]}: {wrong[i, j]:,}" for i, j in pairs if wrong[i, j]]
    height = panel.picture.height + 16
    card = Image.new("RGB", (panel.picture.width + 640, height), style.PAPER)
    card.paste(panel.picture, (8, 8))
    for number, line in enumerate(said[: MAX_LISTED + 1]):
        at = (panel.picture.width + 40, (number + 0.5) * height / (MAX_LISTED + 1))
        write(card, at, line, size=CARD_TEXT)
    return np.asarray(widened(card))


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Return float64 `[K, K]`, each row divided by its sum; rows without images are 0."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _shares_column(
    counts: np.ndarray, class_names: Sequence[str], *, full_at: float, words: str
) -> list[Tile]:
    ends = ("errors: above 0 %", f"{100 * full_at:g} % or more")
    shares, end = 100 * row_shares(counts), 100 * full_at
    return _column(shares, counts, class_names, full_at=end, form="{:.1f}", words=words, ends=ends)


def _column(
    values: np.ndarray,
    counts: np.ndarray,
    class_names: Sequence[str],
    *,
    full_at: float,
    form: str,
    words: str,
    ends: tuple[str, str],
) -> list[Tile]:
    """Return words, the matrix of values in its axes and its scale, to stand below each other.

    full_at: the value of the deepest colour. form: of the numbers in the cells, white where it is
    dark. ends: of the scale.
    """
    depth = np.minimum(values / full_at, 1)
    cells = _colours()[(255 * depth).astype(np.int64) + (values > 0)]
    np.einsum("iij->ij", cells)[:] = RIGHT
    cells[counts.sum(axis=1) == 0] = NO_IMAGES
    matrix = Image.fromarray(_squares(cells))
    cell = matrix.width // len(cells)
    if len(cells) <= MAX_NUMBERED_CLASSES:
        dark = _errors_only(depth) > 0.6
        for row, column in np.argwhere(values):
            at = ((column + 0.5) * cell, (row + 0.5) * cell)
            colour = style.PAPER if dark[row, column] else style.INK
            write(matrix, at, form.format(values[row, column]), colour=colour, align=0.5)
    empty, corner = _axes(tuple(class_labels(class_names, width=130)), cell=cell)
    panel = empty.copy()
    panel.paste(matrix, corner)
    return [
        caption(words),
        Tile(panel),
        Tile(colour_bar(_colours()[1:], low=ends[0], high=ends[1])),
    ]


def _squares(cells: np.ndarray) -> np.ndarray:
    """Return every cell as a square, wide enough for a number where there is one."""
    num_classes = len(cells)
    least = 38 if num_classes <= MAX_NUMBERED_CLASSES else 12
    side = max(least, min(100, 440 // num_classes)) if num_classes <= 62 else 744 // num_classes
    pixels = cells.repeat(max(1, side), axis=0).repeat(max(1, side), axis=1)
    if side >= 6:  # thin lines between cells
        pixels[::side] = pixels[:, ::side] = 212
    pixels[-1] = pixels[0] = pixels[:, -1] = pixels[:, 0] = 170
    return pixels


@lru_cache(maxsize=8)
def _axes(names: tuple[str, ...], *, cell: int) -> tuple[Image.Image, tuple[int, int]]:
    """Return axes with the classes' names, and the left and top end of their box in pixels.

    Drawn once for all matrices of the same classes: the names cost more than all the rest.
    """
    side, top, right = cell * len(names), 1, 8
    longest = max(map(text_width, names))
    upwards = longest + 4 > cell
    left, bottom = 32 + longest, 32 + (longest if upwards else TEXT_SIZE)
    width, height = left + side + right, top + side + bottom
    figure = style.new_figure(width_px=width, height_px=height)
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    shown = np.arange(0, len(names), -(-TEXT_SIZE // cell))  # low cells: not every name has room
    middles, labels = (shown + 0.5) / len(names), [names[index] for index in shown]
    axes.set_xticks(middles, labels, rotation=90 if upwards else 0)
    axes.set_yticks(1 - middles, labels)
    style.style_axes(axes, title="", x_label="predicted", y_label="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return style.drawn(figure), (left, top)


def _errors_only(values: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(values), dtype=bool), 0, values)


@lru_cache
def _colours() -> np.ndarray:
    """Return uint8 `[257, 3]`: white for 0, 256 reds for more."""
    # they begin well away from white: a single error must differ from none
    reds = style.colour_table("Reds", start=0.12, stop=0.95)
    return np.concatenate([np.full((1, 3), 255, np.uint8), reds])
