"""Pictures and words in rows and columns on one page: the only grid of all figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image, ImageOps

from src.figures.canvas import text_width, write
from src.figures.style import INK, MUTED, PAPER

MARGIN = 12
HEADER = 58
GAP = 8
LINE = 15
TITLE_SIZE = 15
NOTE_SIZE = 12
FRAME = "#cfcfcf"

Words = tuple[str, str]
"""A line and its colour."""


@final
@dataclass(frozen=True)
class Tile:
    """A picture with lines of words centred under it; without a picture, the lines alone."""

    picture: Image.Image | None = None
    lines: Sequence[Words] = ()

    @property
    def width(self) -> int:
        """The pixels it takes from left to right."""
        words = (text_width(words) for words, _ in self.lines)
        return max(self.picture.width if self.picture else 0, *words, 0)

    @property
    def height(self) -> int:
        """The pixels it takes from top to bottom."""
        return (self.picture.height if self.picture else 0) + LINE * len(self.lines)


def sheet(
    rows: Sequence[Sequence[Tile]],
    *,
    title: str = "",
    note: str = "",
    scale: Image.Image | None = None,
) -> Image.Image:
    """Return tiles in rows and columns, a column as wide as its widest tile.

    Above them, where there is a title: it, the scale of colours at its right, and a note. The
    first tile then begins at (MARGIN, HEADER), else at (MARGIN, MARGIN).
    """
    columns = max((len(row) for row in rows), default=0)
    widths = [max(r[k].width for r in rows if k < len(r)) for k in range(columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    top = HEADER if title else MARGIN
    head = text_width(title, size=TITLE_SIZE, bold=True) + (24 + scale.width if scale else 0)
    width = max(sum(widths) + GAP * (columns - 1), head, text_width(note, size=NOTE_SIZE))
    height = top + sum(heights) + GAP * len(rows) + MARGIN
    image = Image.new("RGB", (2 * MARGIN + width, height), PAPER)
    write(image, (MARGIN, 17), title, size=TITLE_SIZE, bold=True)
    write(image, (MARGIN, 40), note, size=NOTE_SIZE, colour=MUTED)
    if scale:
        image.paste(scale, (image.width - MARGIN - scale.width, 17 - scale.height // 2))
    for row, row_height in zip(rows, heights, strict=True):
        left = MARGIN
        for tile, tile_width in zip(row, widths, strict=False):
            _place(image, tile, box=(left, top, tile_width, row_height))
            left += tile_width + GAP
        top += row_height + GAP
    return image


def widened(image: Image.Image, *, words: str = "") -> Image.Image:
    """Return the picture on paper three times as wide as high, what a card of the UI shows.

    words: under it, large enough for a card.
    """
    if words:
        size = max(image.width, 3 * image.height) // 26
        side = max(0, 3 * (image.height + 2 * size) - image.width) // 2
        image = ImageOps.expand(image, border=(side, 0, side, 2 * size), fill=PAPER)
        write(image, (image.width / 2, image.height - size), words, size=size, align=0.5)
    width, height = max(image.width, 3 * image.height), max(image.height, image.width // 3)
    return ImageOps.pad(image, (width, height), color=PAPER)


def _place(image: Image.Image, tile: Tile, *, box: tuple[int, int, int, int]) -> None:
    """Put a tile into the middle of left, top, width; words alone into that of the height too."""
    left, top, width, height = box
    if tile.picture is None:
        top += (height - tile.height) // 2
    else:
        image.paste(tile.picture, (left + (width - tile.picture.width) // 2, top))
        top += tile.picture.height
    for number, (words, colour) in enumerate(tile.lines):
        at = (left + width / 2, top + (number + 0.5) * LINE)
        write(image, at, words, colour=colour, align=0.5)


def in_rows(tiles: Sequence[Tile], *, columns: int) -> list[Sequence[Tile]]:
    """Return tiles in rows of `columns`."""
    return [tiles[start : start + columns] for start in range(0, len(tiles), columns)]


def enlarged(pixels: np.ndarray, *, tile_px: int) -> Image.Image:
    """Return an image, 0..255 `[C, H, W]`, every pixel a square, about `tile_px` in all, framed.

    In colour if C is 3, else the mean grey. Larger images stay as they are.
    """
    if len(pixels) != 3:
        pixels = pixels.mean(axis=0)[np.newaxis].repeat(3, axis=0)
    image = Image.fromarray(pixels.transpose(1, 2, 0).round().astype(np.uint8))
    zoom = max(1, round(tile_px / max(image.size)))
    large = ImageOps.scale(image, zoom, Image.Resampling.NEAREST)
    return ImageOps.expand(large, border=1, fill=FRAME)


def colour_bar(colours: np.ndarray, *, low: str, high: str) -> Image.Image:
    """Return a bar of `colours`, uint8 `[M, 3]`, between its two ends in words."""
    start, width = text_width(low) + 6, 110
    image = Image.new("RGB", (start + width + 6 + text_width(high), LINE), PAPER)
    bar = Image.fromarray(colours[None]).resize((width, LINE - 4), Image.Resampling.NEAREST)
    image.paste(ImageOps.expand(bar, border=1, fill=FRAME), (start - 1, 1))
    write(image, (0, LINE / 2), low, colour=MUTED)
    write(image, (image.width, LINE / 2), high, colour=MUTED, align=1.0)
    return image


def caption(words: str, *, colour: str = INK) -> Tile:
    """Return a tile of words alone."""
    return Tile(lines=[(words, colour)])
