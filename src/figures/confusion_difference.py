"""Which mistakes one model makes more often than another, on the same images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.figures.canvas import save_picture
from src.figures.confusion import RIGHT
from src.figures.matrix import MOST_NUMBERED_CLASSES, cell_size, matrix_panel
from src.figures.style import colour_table


def draw_confusion_difference(
    first: np.ndarray,
    second: np.ndarray,
    *,
    names: tuple[str, str],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draw the counts of the first model less those of the second, as a PNG at `path`.

    first, second: int64 `[K, K]` of the same images, rows true, columns predicted. A mistake that
    the first makes more often is red, one that the second makes more often is blue, on one scale;
    right answers, on the diagonal, are grey. Up to 15 classes the cells carry numbers.
    """
    difference = first - second
    mistakes = difference.copy()
    np.fill_diagonal(mistakes, 0)
    most = max(1, int(np.abs(mistakes).max()))
    colours = colour_table("RdBu_r", size=255)
    middle = len(colours) // 2
    cells = colours[(mistakes / most * middle).round().astype(np.int64) + middle]
    np.einsum("iij->ij", cells)[:] = RIGHT
    numbered = len(difference) <= MOST_NUMBERED_CLASSES
    panel = matrix_panel(
        cells,
        class_names,
        colours=colours,
        cell=cell_size(len(difference), smallest=12),
        numbers=[[_signed(n) for n in row] for row in difference.tolist()] if numbered else None,
        dark=np.abs(mistakes) > 0.6 * most,
        caption=f"images: {names[0]} less {names[1]}",
        scale=(f"{names[1]} {most:,} more", f"{names[0]} {most:,} more"),
    )
    save_picture(panel, path)


def _signed(number: int) -> str:
    return "0" if number == 0 else f"{number:+,}".replace("-", "−")
