"""First-layer weights as sheets of images: at one step, and from the first step to the last."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from src.figures.canvas import class_labels
from src.figures.sheet import Tile, caption, colour_bar, enlarged, in_rows, sheet, widened
from src.figures.style import BLUE, INK, MUTED, VERMILLION, colour_table, save_picture
from src.stats.autocorrelation import is_noise_like, order_units, unit_images

MAX_CLASSES = 100
MAX_ROWS = 10
MAX_UNIT_ROWS = 6
MAX_EARLY_STEP = 1_000
MIN_PIXELS_OF_NOISE = 64
"""In fewer, such as a convolution's kernel has, noise cannot be told from structure."""
# The scale ends at this quantile, so that a few outliers do not bleach all the rest.
SCALE_QUANTILE = 0.995


def weight_sheet(
    weights: np.ndarray,
    *,
    title: str,
    words: str = "",
    order: np.ndarray | None = None,
    most_units: int = 100,
    scale_limit: float | None = None,
    class_names: Sequence[str] | None = None,
    pixels_used: np.ndarray | None = None,
) -> np.ndarray:
    """Return the weight images of a layer on one blue-white-red scale, uint8 RGB `[H, W, 3]`.

    A hidden layer (`class_names` None): `most_units` units, evenly over `order` (int64 `[U]`, by
    default the most structured first); a noise-like one is named so. A linear
    model (`class_names` given): the class templates in class order, each under its name.

    weights: float `[U, C, H, W]`. title: for instance "first-layer weights, step 1,000"; empty for
    a card three times as wide as high, in a place that has a title, with words under it.
    scale_limit: the weight of the deepest colour, by default `shared_scale_limit(weights)`; give
    the same to all sheets of a series. pixels_used: as in `spatial_autocorrelation`.
    """
    if class_names is not None:
        order, most_units = np.arange(len(weights)), MAX_CLASSES
    elif order is None:
        order = order_units(weights, pixels_used=pixels_used)
    shown = evenly(order, most=most_units)
    limit = scale_limit or shared_scale_limit(weights)
    size = 112 if len(shown) <= 20 else 84 if len(shown) <= 50 else 56
    pictures = weight_tiles(weights[shown], limit=limit, tile_px=size)
    if class_names is None:
        noise = is_noise_like(weights[shown], pixels_used=pixels_used)
        noise &= weights[0, 0].size >= MIN_PIXELS_OF_NOISE
        flat = np.ptp(weights[shown], axis=(1, 2, 3)) == 0
        kinds = np.where(flat, "all alike", np.where(noise, "noise", ""))
        lines = [(str(kind), VERMILLION) for kind in kinds]
        what = ", the most structured first"
        what += "; noise: neighbouring pixels have nothing in common" if noise.any() else ""
    else:
        names = class_labels(class_names, width=pictures[0].width)
        lines = [(names[index], INK) for index in shown]
        what = ": red speaks for the class, blue against it"
    tiles = [
        Tile(picture, [line] if line[0] else [])
        for picture, line in zip(pictures, lines, strict=True)
    ]
    rows = max(1, round((len(tiles) / (1.6 if title else 3)) ** 0.5))  # wider than high
    table = in_rows(tiles, columns=min(10, -(-len(tiles) // rows)))
    if not title:
        return np.asarray(widened(sheet(table), words=words))
    note = _out_of(len(shown), weights, class_names) + what
    scale = colour_bar(_colours(), low=f"≤ −{limit:.2g}", high=f"≥ {limit:.2g}")
    return np.asarray(sheet(table, title=title, note=note, scale=scale))


def draw_weights_over_training(
    snapshots: Mapping[int, np.ndarray],
    *,
    path: Path,
    accuracies: Mapping[int, float],
    class_names: Sequence[str] | None = None,
    pixels_used: np.ndarray | None = None,
) -> None:
    """Draw the same units at growing step counts, as a PNG at `path`: one column per step.

    snapshots: step to weights, float `[U, C, H, W]`, at least one. At most 6 units, evenly over
    the order of the last step, the most structured first; with `class_names` (a linear model) at
    most 10, in class order. Over each column the validation accuracy, 0..1, of `accuracies`; under
    it the weight of the deepest colour, its own, for weights grow; and of a hidden layer how many
    of all its units are noise-like. pixels_used: as in `spatial_autocorrelation`.
    """
    steps = _told_apart(sorted(snapshots))
    last = snapshots[steps[-1]]
    if class_names is None:
        names = [f"unit {index}" for index in range(len(last))]
        shown = evenly(order_units(last, pixels_used=pixels_used), most=MAX_UNIT_ROWS)
        size, how = 96, ", the most structured at the end first"
    else:
        names, size, how = class_labels(class_names, width=120), 56, ""
        shown = evenly(np.arange(len(last)), most=MAX_ROWS)
    limits = {step: shared_scale_limit(snapshots[step]) for step in steps}
    columns = [
        weight_tiles(snapshots[step][shown], limit=limit, tile_px=size)
        for step, limit in limits.items()
    ]
    reached = {step: f"{accuracy:.3f}" for step, accuracy in accuracies.items()}
    heads = [Tile(lines=[(f"step {s:,}", INK), (reached.get(s, ""), BLUE)]) for s in steps]
    rows = [[caption("accuracy", colour=BLUE) if accuracies else Tile(), *heads]]
    for index, *pictures in zip(shown, *columns, strict=True):
        rows.append([caption(names[index]), *map(Tile, pictures)])
    ends = [f"± {limit:.2g}" if snapshots[s].any() else "all 0" for s, limit in limits.items()]
    rows.append([caption(words, colour=MUTED) for words in ("scale", *ends)])
    if class_names is None:
        noise = [is_noise_like(snapshots[step], pixels_used=pixels_used) for step in steps]
        counts = ["like noise", *(f"{some.sum():,} of {len(some):,}" for some in noise)]
        rows.append([caption(words, colour=VERMILLION) for words in counts])
    title = "First-layer weights, the longer the training"
    note = f"{_out_of(len(shown), last, class_names)}{how}; each step on the scale under it"
    scale = colour_bar(_colours(), low="−", high="+")
    save_picture(sheet(rows, title=title, note=note, scale=scale), path)


def _told_apart(steps: Sequence[int]) -> list[int]:
    """Return the steps up to 1,000 and the last one, without one that is nearly the last."""
    last = steps[-1]
    return [step for step in steps if step <= min(MAX_EARLY_STEP, last / 2)] + [last]


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
    most = min(most, len(order))
    return order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]


def coloured(weights: np.ndarray, *, limit: float) -> np.ndarray:
    """Return the colours of weights, uint8 `[U, H, W, 3]`, on a scale from -limit to limit.

    weights: float `[U, C, H, W]`, averaged over the channels.
    """
    middle = len(_colours()) // 2
    depth = np.clip(unit_images(weights) / limit, -1, 1) * middle
    return _colours()[depth.round().astype(np.int64) + middle]


def weight_tiles(weights: np.ndarray, *, limit: float, tile_px: int) -> list[Image.Image]:
    """Return one picture per unit, its pixels enlarged to squares, about `tile_px` in all."""
    tiles = coloured(weights, limit=limit).transpose(0, 3, 1, 2)
    return [enlarged(tile, tile_px=tile_px) for tile in tiles]


@lru_cache
def _colours() -> np.ndarray:
    """Return uint8 `[255, 3]`: blue for negative, white for 0 (the middle one), red."""
    return colour_table("RdBu_r", size=255)


def _out_of(shown: int, weights: np.ndarray, class_names: Sequence[str] | None) -> str:
    """Return "100 of 256 units (mean of 3 channels)", or "1 class" if all are shown."""
    one, many = ("unit", "units") if class_names is None else ("class", "classes")
    number = f"{shown:,} of {len(weights):,}" if shown < len(weights) else f"{shown:,}"
    channels = f" (mean of {weights.shape[1]} channels)" if weights.shape[1] > 1 else ""
    return f"{number} {one if len(weights) == 1 else many}{channels}"
