"""What became of a picture on its way into a network, and what the network made of it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from src.figures.canvas import class_labels, text_width, trimmed, write
from src.figures.sheet import FRAME, Tile, caption, enlarged, sheet
from src.figures.style import BLUE, GRID, INK, MUTED, PAPER, VERMILLION

TILE = 140
BARS = 340
MAX_CLASSES = 10
HEADS = ("picture, ink framed", "what the network saw", "probabilities; line: threshold")


def explained_row(
    *,
    title: str,
    words: str,
    colours: np.ndarray,
    box: tuple[int, int, int, int] | None,
    pixels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    threshold: float,
) -> list[Tile]:
    """Return a picture with its ink framed, what the network saw, and a bar a class.

    colours: float `[H, W, 3]` in 0..1. box: left, top, right, bottom of the ink, or None. pixels:
    uint8 `[h, w]` as the network sees it. probabilities: float `[K]`. threshold: 0..1.
    """
    bars = _bars(probabilities, class_names, threshold)
    return [
        Tile(_framed(colours, box)),
        Tile(enlarged(pixels[np.newaxis], tile_px=TILE)),
        Tile(bars, [(trimmed(title, width=BARS), MUTED), (words, INK)]),
    ]


def explained_sheet(rows: Sequence[Sequence[Tile]]) -> Image.Image:
    """Return what `explained_row` has given, a row below the other, under the columns' heads."""
    return sheet([[caption(words, colour=MUTED) for words in HEADS], *rows])


def _framed(colours: np.ndarray, box: tuple[int, int, int, int] | None) -> Image.Image:
    """Return the picture within a tile, with a frame around the ink."""
    picture = Image.fromarray((colours * 255).round().astype(np.uint8))
    factor = TILE / max(picture.size)
    method = Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST
    picture = ImageOps.contain(picture, (TILE, TILE), method)
    if box is not None:
        left, top, right, bottom = (round(side * factor) for side in box)
        frame = (left - 2, top - 2, right + 1, bottom + 1)
        ImageDraw.Draw(picture).rectangle(frame, outline=VERMILLION, width=2)
    return ImageOps.expand(picture, border=1, fill=FRAME)


def _bars(probabilities: np.ndarray, class_names: Sequence[str], threshold: float) -> Image.Image:
    """Return a bar a class, of many classes only the likeliest, and the threshold as a line."""
    order = np.arange(len(probabilities))
    if len(order) > MAX_CLASSES:
        order = np.argsort(-probabilities, kind="stable")[:MAX_CLASSES]
    names = class_labels(class_names, width=100)
    image = Image.new("RGB", (BARS, TILE), PAPER)
    pen = ImageDraw.Draw(image)
    left = max(text_width(names[k]) for k in order) + 8
    room, step = BARS - left - 44, TILE / len(order)
    for place, k in enumerate(order):
        value, middle = float(probabilities[k]), (place + 0.5) * step
        write(image, (left - 6, middle), names[k], align=1.0)
        for width, colour in ((room, GRID), (value * room, BLUE)):
            if width > 0:
                half = step / 2 - 2
                pen.rectangle((left, middle - half, left + width, middle + half), fill=colour)
        if value >= 0.0005:
            write(image, (left + room + 6, middle), f"{int(value * 1000) / 1000:.3f}")
    x = left + threshold * room
    pen.line((x, 0, x, TILE), fill=VERMILLION, width=1)
    return image
