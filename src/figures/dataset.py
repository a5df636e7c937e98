"""Pictures of a data set before any model: its first images, its class balance, its mean digits."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.figures import style
from src.figures.canvas import class_labels, text_width
from src.figures.sheet import Tile, enlarged, in_rows, sheet

MAX_CLASSES_SHOWN = 100


def draw_first_nine(
    pixels: np.ndarray, labels: Sequence[str], *, note: str = "", path: Path
) -> None:
    """Draw the first nine images, or all if they are fewer, as a PNG at `path`.

    pixels: uint8 `[N, C, H, W]`. labels: the class name of each. note: what to know of their form.
    """
    names = class_labels(labels[:9], width=120)
    tiles = [
        Tile(enlarged(image, tile_px=170), [(name, style.INK)])
        for image, name in zip(pixels[:9], names, strict=True)
    ]
    title = f"{len(tiles)} images and their classes"
    style.save_picture(sheet(in_rows(tiles, columns=3), title=title, note=note), path)


def draw_class_balance(
    counts: Mapping[str, np.ndarray], *, class_names: Sequence[str], path: Path
) -> None:
    """Draw how many images each class has, a bar a class and a colour a split, as a PNG.

    counts: of at most three splits, int64 `[K]` each. Of more than 100 classes the first are drawn.
    """
    names = class_labels(class_names[:MAX_CLASSES_SHOWN], width=120)
    longest = max(text_width(name) for name in names)
    step = max(30, 600 // len(names))
    below = 34 + (longest if longest > step else 0)
    width, height = 100 + step * len(names), 390 + below
    figure = style.new_figure(width_px=width, height_px=height)
    axes = figure.add_axes((80 / width, below / height, 1 - 100 / width, 320 / height))
    total = np.zeros(len(names), dtype=np.int64)
    for (split, count), colour in zip(counts.items(), style.SERIES, strict=False):
        shown = count[:MAX_CLASSES_SHOWN]
        bars = axes.bar(range(len(names)), shown, bottom=total, width=0.75, color=colour)
        bars.set_label(f"{split}: {count.sum():,}")
        total += shown
    if len(names) <= 20:
        axes.bar_label(bars, [f"{number:,}" for number in total], fontsize=8, padding=2)
    axes.set_xticks(range(len(names)), names, rotation=90 if longest > step else 0)
    axes.margins(x=0.01)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    style.style_axes(axes, title="", x_label=_if_cut(class_names), y_label="images")
    figure.legend(loc="upper center", ncols=len(counts), **style.LEGEND)
    style.save_figure(figure, path)


def draw_mean_digit_per_class(
    pixels: np.ndarray, labels: np.ndarray, *, class_names: Sequence[str], path: Path
) -> None:
    """Draw the mean image of each class as a PNG at `path`.

    pixels: uint8 `[N, C, H, W]`. labels: int64 `[N]`, an index into class_names. Of more than 100
    classes the first are drawn.
    """
    tiles = []
    for index, name in enumerate(class_labels(class_names[:MAX_CLASSES_SHOWN], width=120)):
        members = pixels[labels == index]
        if len(members):
            tiles.append(Tile(enlarged(members.mean(axis=0), tile_px=140), [(name, style.INK)]))
        else:
            tiles.append(Tile(lines=[(name, style.MUTED), ("no image", style.MUTED)]))
    rows = in_rows(tiles, columns=max(5, int(np.ceil(len(tiles) ** 0.5))))
    title, note = "Mean image of each class", _if_cut(class_names)
    style.save_picture(sheet(rows, title=title, note=note), path)


def _if_cut(class_names: Sequence[str]) -> str:
    cut = f"the first {MAX_CLASSES_SHOWN} of {len(class_names):,} classes"
    return cut if len(class_names) > MAX_CLASSES_SHOWN else ""
