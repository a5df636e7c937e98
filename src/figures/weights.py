"""First-layer weights at one step, as one sheet of images."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from src.figures.canvas import trimmed, write
from src.figures.style import INK, VERMILLION
from src.figures.weight_tiles import (
    HEADER,
    MARGIN,
    channels_note,
    evenly,
    out_of,
    page_with_header,
    paste_tile,
    shared_scale_limit,
    weight_tiles,
)
from src.stats.autocorrelation import is_noise_like, order_units, spatial_autocorrelation

MOST_CLASSES = 100
GAP = 6
LINE = 15
TEXT_SIZE = 11

Caption = tuple[str, str]  # words and their colour


def weight_sheet(
    weights: np.ndarray,
    *,
    title: str,
    order: np.ndarray | None = None,
    most_units: int = 100,
    scale_limit: float | None = None,
    class_names: Sequence[str] | None = None,
    pixels_used: np.ndarray | None = None,
) -> np.ndarray:
    """Return the weight images of a layer on one blue-white-red scale, uint8 RGB `[H, W, 3]`.

    A hidden layer (`class_names` None): `most_units` units, evenly over `order` (int64 `[U]`, by
    default the most structured first); under a noise-like unit stands its Moran's I. A linear
    model (`class_names` given): the class templates in class order, each under its name.

    weights: float `[U, C, H, W]`. title: for instance "first-layer weights, step 1,000".
    scale_limit: the weight of the deepest colour, by default `shared_scale_limit(weights)`; give
    the same to all sheets of a series. pixels_used: as in `spatial_autocorrelation`.
    """
    note_order = ""
    if class_names is not None:
        order = np.arange(len(weights))
    elif order is None:
        order = order_units(weights, pixels_used=pixels_used)
        note_order = ", most structured first"
    shown = evenly(order, most=most_units if class_names is None else MOST_CLASSES)
    limit = scale_limit or shared_scale_limit(weights)
    tiles = weight_tiles(weights[shown], limit=limit, tile_px=_tile_size(len(shown)))
    if class_names is None:
        captions = _noise_captions(weights[shown], pixels_used=pixels_used)
        number = out_of(len(shown), len(weights), one="unit", many="units")
        note = f"{number}{note_order}; a number marks noise-like weights: their Moran's I"
    else:
        captions = [
            (trimmed(class_names[index], size=TEXT_SIZE, width=tiles[0].width), INK)
            for index in shown
        ]
        number = out_of(len(shown), len(weights), one="class", many="classes")
        note = f"{number}: red speaks for the class, blue against it"
    sheet = _sheet(tiles, captions, title=title, note=note + channels_note(weights), limit=limit)
    return np.asarray(sheet)


def _noise_captions(weights: np.ndarray, *, pixels_used: np.ndarray | None) -> list[Caption]:
    """Return the score for noise-like units, a word for units without any, else nothing."""
    scores = spatial_autocorrelation(weights, pixels_used=pixels_used)
    noise_like = is_noise_like(weights, pixels_used=pixels_used)
    words = np.where(np.isnan(scores), "flat", np.where(noise_like, _signed(scores), ""))
    return [(str(word), VERMILLION) for word in words]


def _signed(scores: np.ndarray) -> np.ndarray:
    # adding 0.0 turns a rounded -0.0 into 0.0
    return np.array([f"{round(score, 2) + 0.0:.2f}".replace("-", "−") for score in scores])


def _sheet(
    tiles: list[Image.Image], captions: list[Caption], *, title: str, note: str, limit: float
) -> Image.Image:
    """Lay out the tiles row by row, captions underneath."""
    step_x, step_y = tiles[0].width + GAP, tiles[0].height + LINE + GAP
    columns = _num_columns(len(tiles))
    rows = -(-len(tiles) // columns)
    image, pen = page_with_header(
        title=title, note=note, limit=limit, width=columns * step_x, height=rows * step_y
    )
    for place, (tile, (words, colour)) in enumerate(zip(tiles, captions, strict=True)):
        x, y = MARGIN + place % columns * step_x, HEADER + place // columns * step_y
        paste_tile(image, tile, (x, y))
        if words:
            middle = (x + tile.width / 2, y + tile.height + 2)
            write(pen, middle, words, size=TEXT_SIZE, colour=colour, anchor="ma")
    return image


def _tile_size(num_tiles: int) -> int:
    """Return about how many pixels wide a tile is: less where there are many."""
    return 112 if num_tiles <= 20 else 84 if num_tiles <= 50 else 56


def _num_columns(num_tiles: int) -> int:
    """Return the columns of a grid somewhat wider than high, ten at most."""
    rows = max(1, round((num_tiles / 1.6) ** 0.5))
    return min(10, -(-num_tiles // rows))
