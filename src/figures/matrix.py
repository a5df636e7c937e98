"""A square matrix of coloured cells, one row and one column a class, with names and a scale."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import (
    blank,
    colour_bar,
    colour_bar_width,
    text_width,
    trimmed,
    write,
    write_upwards,
)
from src.figures.style import MUTED

MOST_NUMBERED_CLASSES = 15
LABEL_SIZE = 11
LONGEST_LABEL = 130
MARGIN = 12


def matrix_panel(
    cells: np.ndarray,
    class_names: Sequence[str],
    *,
    colours: np.ndarray,
    cell: int,
    numbers: list[list[str]] | None,
    dark: np.ndarray,
    caption: str,
    scale: tuple[str, str],
) -> Image.Image:
    """Draw one matrix with its class names, caption and colour scale.

    cells: uint8 `[K, K, 3]`, each `cell` pixels wide. colours: uint8 `[M, 3]`, the scale, between
    its two ends in words. numbers: what to write into the cells; dark: bool `[K, K]`, where in
    white.
    """
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
    colour_bar(image, bar_at, colours, low=scale[0], high=scale[1])
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


def cell_size(num_classes: int, *, smallest: int) -> int:
    """Return how many pixels wide a cell is: wide enough for a number where there is one."""
    if num_classes > 62:
        return max(1, 62 * smallest // num_classes)
    numbered = 38 if num_classes <= MOST_NUMBERED_CLASSES else smallest
    return min(100, max(numbered, 440 // num_classes))
