"""What all pictures of weights share: one diverging scale, tiles, a header with the scale."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import blank, colour_bar, colour_bar_width, enlarged, text_width, write
from src.figures.style import MUTED, colour_table
from src.stats.autocorrelation import unit_images

MARGIN = 12
HEADER = 58
# The scale ends at this quantile, so that a few outliers do not bleach all the rest.
SCALE_QUANTILE = 0.995


def shared_scale_limit(*weights: np.ndarray) -> float:
    """Return the end of one colour scale for several weights, float `[U, C, H, W]` each.

    The largest of their 99.5 % quantiles of |weight|; stronger weights get the end's colour.
    1.0 if that is 0. Of many units, some 256 at even distances are enough to tell.
    """
    samples = [some[:: max(1, len(some) // 256)] for some in weights]
    limits = [np.quantile(np.abs(unit_images(sample)), SCALE_QUANTILE) for sample in samples]
    return float(max(limits)) or 1.0


def evenly(order: np.ndarray, *, most: int) -> np.ndarray:
    """Return `order`, or `most` of its entries at even distances, first and last among them."""
    if len(order) <= most:
        return order
    return order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]


def out_of(shown: int, total: int, *, one: str, many: str) -> str:
    """Return "100 of 256 units", or "16 units" if all are shown."""
    number = f"{shown:,} of {total:,}" if shown < total else f"{total:,}"
    return f"{number} {one if total == 1 else many}"


def channels_note(weights: np.ndarray) -> str:
    """Return the words that say what became of several channels."""
    channels = weights.shape[1]
    return f"; mean of {channels} channels" if channels > 1 else ""


@lru_cache
def weight_colours() -> np.ndarray:
    """Return uint8 `[255, 3]`: blue for negative, white for 0 (the middle one), red."""
    return colour_table("RdBu_r", size=255)


def coloured(weights: np.ndarray, *, limit: float) -> np.ndarray:
    """Return the colours of weights, uint8 `[U, H, W, 3]`, on a scale from -limit to limit.

    weights: float `[U, C, H, W]`, averaged over the channels.
    """
    middle = len(weight_colours()) // 2
    depth = np.clip(unit_images(weights) / limit, -1, 1) * middle
    return weight_colours()[depth.round().astype(np.int64) + middle]


def weight_tiles(weights: np.ndarray, *, limit: float, tile_px: int) -> list[Image.Image]:
    """Return one picture per unit, its pixels enlarged to squares, about `tile_px` in all."""
    colours = coloured(weights, limit=limit)
    zoom = max(1, round(tile_px / max(colours.shape[1:3])))
    return [Image.fromarray(tile) for tile in enlarged(colours, zoom=zoom)]


def paste_tile(image: Image.Image, tile: Image.Image, at: tuple[int, int]) -> None:
    """Put a tile, with a thin frame around it, at its upper left corner."""
    x, y = at
    frame = (x - 1, y - 1, x + tile.width, y + tile.height)
    ImageDraw.Draw(image).rectangle(frame, outline="#cfcfcf")
    image.paste(tile, at)


def page_with_header(
    *, title: str, note: str, limit: float, width: int, height: int
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a page with room for `width` x `height` pixels under a title and the scale.

    The room begins at (MARGIN, HEADER); the page is wider where the words need it.
    """
    low, high = f"≤ −{limit:.2g}", f"≥ {limit:.2g}"
    bar = colour_bar_width(low=low, high=high)
    words = max(text_width(title, size=15, bold=True) + 24 + bar, text_width(note, size=12))
    page_width = 2 * MARGIN + max(width, words)
    image, pen = blank(width=page_width, height=HEADER + height + MARGIN)
    write(pen, (MARGIN, 8), title, size=15, bold=True)
    write(pen, (MARGIN, 32), note, colour=MUTED)
    bar_at = (page_width - MARGIN - bar, 17)
    colour_bar(image, bar_at, weight_colours(), low=low, high=high)
    return image, pen
