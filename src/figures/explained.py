"""What became of a picture on its way into a network, and what the network made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from src.figures.canvas import class_labels, text_width, trimmed, write
from src.figures.sheet import FRAME, Tile, caption, enlarged, sheet
from src.figures.style import BLUE, GRID, INK, MUTED, PAPER, VERMILLION

TILE = 140
BARS = 340
MAX_CLASSES = 10
HEADS = ("picture, ink framed", "what the network saw", "probabilities; line: threshold")


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
    return sheet([[caption(words, colour=MUTED) for words in HEADS], *map(_row, rows)])


def _row(row: Explained) -> list[Tile]:
    return [
        Tile(_framed(row)),
        Tile(enlarged(row.pixels[np.newaxis], tile_px=TILE)),
        Tile(_bars(row), [(trimmed(row.title, width=BARS), MUTED), (row.words, INK)]),
    ]


def _framed(row: Explained) -> Image.Image:
    """Return the picture within a tile, with a frame around the ink."""
    picture = Image.fromarray((row.colours * 255).round().astype(np.uint8))
    factor = TILE / max(picture.size)
    method = Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST
    picture = ImageOps.contain(picture, (TILE, TILE), method)
    if row.box is not None:
        left, top, right, bottom = (round(side * factor) for side in row.box)
        frame = (left - 2, top - 2, right + 1, bottom + 1)
        ImageDraw.Draw(picture).rectangle(frame, outline=VERMILLION, width=2)
    return ImageOps.expand(picture, border=1, fill=FRAME)


def _bars(row: Explained) -> Image.Image:
    """Return a bar a class, of many classes only the likeliest, and the threshold as a line."""
    order = np.arange(len(row.probabilities))
    if len(order) > MAX_CLASSES:
        order = np.argsort(-row.probabilities, kind="stable")[:MAX_CLASSES]
    names = class_labels(row.class_names, width=100)
    image = Image.new("RGB", (BARS, TILE), PAPER)
    pen = ImageDraw.Draw(image)
    left = max(text_width(names[k]) for k in order) + 8
    room, step = BARS - left - 44, TILE / len(order)
    for place, k in enumerate(order):
        value, middle = float(row.probabilities[k]), (place + 0.5) * step
        write(image, (left - 6, middle), names[k], align=1.0)
        for width, colour in ((room, GRID), (value * room, BLUE)):
            if width > 0:
                half = step / 2 - 2
                pen.rectangle((left, middle - half, left + width, middle + half), fill=colour)
        if value >= 0.0005:
            write(image, (left + room + 6, middle), f"{int(value * 1000) / 1000:.3f}")
    x = left + row.threshold * room
    pen.line((x, 0, x, TILE), fill=VERMILLION, width=1)
    return image
