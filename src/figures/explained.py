"""What became of a picture on its way into a network, and what the network made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import blank, enlarged, text_width, trimmed, write
from src.figures.style import BLUE, GRID, INK, MUTED, VERMILLION

TILE = 140
GAP = 16
MARGIN = 12
LINE = 18
HEADER = 40
BARS = 300
MOST_CLASSES = 10


@final
@dataclass(frozen=True)
class Explained:
    """One row: a picture, its ink, what was seen, what was answered.

    colours: float `[H, W, 3]` in 0..1. box: left, top, right, bottom of the ink, or None. pixels:
    uint8 `[h, w]` as the network sees it. probabilities: float `[K]`. threshold: 0..1.
    """

    title: str
    words: str
    colours: np.ndarray
    box: tuple[int, int, int, int] | None
    pixels: np.ndarray
    probabilities: np.ndarray
    class_names: Sequence[str]
    threshold: float


def explained_sheet(rows: Sequence[Explained]) -> Image.Image:
    """Return one row a picture: the picture with its ink framed, what the network saw, bars."""
    step = TILE + LINE + GAP
    width = 2 * MARGIN + 2 * (TILE + GAP) + BARS
    image, pen = blank(width=width, height=HEADER + step * len(rows) + MARGIN)
    heads = ("picture, ink framed", "what the network saw", "probabilities; line: threshold")
    for number, words in enumerate(heads):
        write(pen, (MARGIN + number * (TILE + GAP), 14), words, size=11, colour=MUTED)
    for number, row in enumerate(rows):
        _draw_row(image, pen, row, top=HEADER + number * step, width=width)
    return image


def _draw_row(
    image: Image.Image, pen: ImageDraw.ImageDraw, row: Explained, *, top: int, width: int
) -> None:
    answer = text_width(row.words, size=12, bold=True)
    title = trimmed(row.title, size=12, width=width - 2 * MARGIN - answer - GAP)
    write(pen, (MARGIN, top), title, size=12)
    write(pen, (width - MARGIN, top), row.words, size=12, bold=True, anchor="ra")
    under = top + LINE
    _paste(image, _framed(row), (MARGIN, under))
    zoom = max(1, TILE // max(row.pixels.shape))
    seen = enlarged(np.repeat(row.pixels[..., np.newaxis], 3, axis=2), zoom=zoom)
    _paste(image, Image.fromarray(seen), (MARGIN + TILE + GAP, under))
    _draw_bars(pen, row, left=MARGIN + 2 * (TILE + GAP), top=under)


def _framed(row: Explained) -> Image.Image:
    """Return the picture within a tile, with a frame around the ink."""
    picture = Image.fromarray((row.colours * 255).round().astype(np.uint8))
    factor = TILE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    picture = picture.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST)
    if row.box is not None:
        left, top, right, bottom = (round(side * factor) for side in row.box)
        frame = (left - 2, top - 2, right + 1, bottom + 1)
        ImageDraw.Draw(picture).rectangle(frame, outline=VERMILLION, width=2)
    return picture


def _paste(image: Image.Image, tile: Image.Image, at: tuple[int, int]) -> None:
    frame = (at[0] - 1, at[1] - 1, at[0] + tile.width, at[1] + tile.height)
    ImageDraw.Draw(image).rectangle(frame, outline="#bbbbbb")
    image.paste(tile, at)


def _draw_bars(pen: ImageDraw.ImageDraw, row: Explained, *, left: int, top: int) -> None:
    order = np.arange(len(row.probabilities))
    if len(order) > MOST_CLASSES:
        order = np.argsort(-row.probabilities, kind="stable")[:MOST_CLASSES]
    step = TILE / len(order)
    names = [trimmed(row.class_names[int(k)], size=10, width=80) for k in order]
    start = left + max(text_width(name, size=10) for name in names) + 6
    room = left + BARS - start - 40
    for place, (k, name) in enumerate(zip(order, names, strict=True)):
        value = float(row.probabilities[k])
        y = top + place * step
        write(pen, (start - 6, y + step / 2), name, size=10, anchor="rm")
        pen.rectangle((start, y + 2, start + room, y + step - 2), fill=GRID)
        if value > 0:
            pen.rectangle((start, y + 2, start + value * room, y + step - 2), fill=BLUE)
        if value >= 0.0005:
            words = f"{int(value * 1000) / 1000:.3f}"
            write(pen, (start + room + 5, y + step / 2), words, size=10, colour=INK, anchor="lm")
    x = start + row.threshold * room
    pen.line((x, top, x, top + TILE), fill=VERMILLION, width=1)
