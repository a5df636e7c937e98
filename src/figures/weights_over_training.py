"""First-layer weights from the first step to the last, side by side on one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import save_picture, text_width, trimmed, write
from src.figures.style import INK, MUTED, VERMILLION
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
from src.stats.autocorrelation import is_noise_like, order_units

MOST_UNITS = 20
ROWS_IN_A_BLOCK = 10
GAP = 6
BLOCK_GAP = 28
LINE = 18
TEXT_SIZE = 11
LONGEST_NAME = 120
FEET_NAME = "noise-like"


def draw_weights_over_training(
    snapshots: Mapping[int, np.ndarray],
    *,
    path: Path,
    class_names: Sequence[str] | None = None,
    pixels_used: np.ndarray | None = None,
) -> None:
    """Draw the same units at growing step counts, as a PNG at `path`: one column per step.

    snapshots: step to weights, float `[U, C, H, W]`, at least one. At most 20 units, evenly over
    the order of the last step, the most structured first; with `class_names` (a linear model)
    in class order. All on one scale; more than ten rows go on in a second block. Under each step
    of a hidden layer: how many of all its units are noise-like. pixels_used: as in
    `spatial_autocorrelation`.
    """
    steps = sorted(snapshots)
    last = snapshots[steps[-1]]
    is_linear = class_names is not None
    order = np.arange(len(last)) if is_linear else order_units(last, pixels_used=pixels_used)
    shown = evenly(order, most=MOST_UNITS)
    limit = shared_scale_limit(*snapshots.values())
    columns = [weight_tiles(snapshots[step][shown], limit=limit, tile_px=72) for step in steps]
    one, many = ("class", "classes") if is_linear else ("unit", "units")
    number = out_of(len(shown), len(last), one=one, many=many)
    how = "" if is_linear else ", most structured at the end first"
    note = f"{number}{how}; one scale for all{channels_note(last)}"
    page = _page(
        columns,
        row_names=[_row_name(index, class_names) for index in shown],
        heads=[f"step {step:,}" for step in steps],
        feet=None if is_linear else _noise_counts(snapshots, steps, pixels_used=pixels_used),
        note=note,
        limit=limit,
    )
    save_picture(page, path)


def _row_name(index: int, class_names: Sequence[str] | None) -> str:
    name = f"unit {index}" if class_names is None else class_names[index]
    return trimmed(name, size=TEXT_SIZE, width=LONGEST_NAME)


def _noise_counts(
    snapshots: Mapping[int, np.ndarray], steps: list[int], *, pixels_used: np.ndarray | None
) -> list[str]:
    counts = [is_noise_like(snapshots[step], pixels_used=pixels_used).sum() for step in steps]
    return [f"{count:,} of {len(snapshots[steps[0]]):,}" for count in counts]


def _page(
    columns: list[list[Image.Image]],
    *,
    row_names: list[str],
    heads: list[str],
    feet: list[str] | None,
    note: str,
    limit: float,
) -> Image.Image:
    """Lay out columns of tiles, in as many blocks side by side as the rows need."""
    tile = columns[0][0]
    names = [*row_names, FEET_NAME] if feet else row_names
    name_width = max(text_width(name, size=TEXT_SIZE) for name in names) + 8
    step_x = max(tile.width, *(text_width(head, size=TEXT_SIZE) for head in heads)) + GAP
    step_y = tile.height + GAP
    blocks = -(-len(row_names) // ROWS_IN_A_BLOCK)
    rows = -(-len(row_names) // blocks)
    block_width = name_width + len(columns) * step_x
    image, pen = page_with_header(
        title="First-layer weights over training",
        note=note,
        limit=limit,
        width=blocks * block_width + (blocks - 1) * BLOCK_GAP,
        height=LINE + rows * step_y + (LINE if feet else 0),
    )
    top = HEADER + LINE
    for block in range(blocks):
        left = MARGIN + block * (block_width + BLOCK_GAP) + name_width
        for column, head in enumerate(heads):
            head_at = (left + column * step_x + tile.width / 2, HEADER)
            write(pen, head_at, head, size=TEXT_SIZE, colour=MUTED, anchor="ma")
        for row, index in enumerate(range(block * rows, min(len(row_names), (block + 1) * rows))):
            y = top + row * step_y
            name_at = (left - 8, y + tile.height / 2)
            write(pen, name_at, row_names[index], size=TEXT_SIZE, colour=INK, anchor="rm")
            for column, tiles in enumerate(columns):
                paste_tile(image, tiles[index], (left + column * step_x, y))
    _write_feet(pen, feet or [], left=MARGIN + name_width, top=top + rows * step_y, step_x=step_x)
    return image


def _write_feet(
    pen: ImageDraw.ImageDraw, feet: list[str], *, left: int, top: int, step_x: int
) -> None:
    """Write what is known about all units, one text under each column of the first block."""
    for column, foot in enumerate(feet):
        if column == 0:
            write(pen, (left - 8, top), FEET_NAME, size=TEXT_SIZE, colour=VERMILLION, anchor="ra")
        at = (left + column * step_x + (step_x - GAP) / 2, top)
        write(pen, at, foot, size=TEXT_SIZE, colour=VERMILLION, anchor="ma")
