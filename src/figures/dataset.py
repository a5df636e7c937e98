"""Pictures of a data set before any model: its first images, its class balance, its mean digits."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.figures.style import BLUE, GREEN, GRID, INK, MUTED, VERMILLION, save_figure

LONGEST_NAME = 12
MOST_CLASSES_WITH_COUNTS = 20
MOST_CLASSES_SHOWN = 100
TITLE_INCHES = 0.35


def draw_first_nine(pixels: np.ndarray, labels: Sequence[str], *, path: Path) -> None:
    """Draw the first nine images, or all if they are fewer, as a PNG at `path`.

    pixels: uint8 `[N, C, H, W]`. labels: the class name of each.
    """
    count = min(len(pixels), 9)
    figure, axes = _grid(count, columns=3, inches=2.0, image_shape=pixels.shape[1:])
    for place, image, label in zip(axes, pixels[:count], labels[:count], strict=True):
        _show(place, image, title=label)
    save_figure(figure, path)


def draw_class_balance(
    counts: Mapping[str, np.ndarray], *, class_names: Sequence[str], path: Path
) -> None:
    """Draw how many images each class has, a bar a class and a colour a split, as a PNG.

    counts: of at most three splits, int64 `[K]` each. Of more than 100 classes the first are drawn.
    """
    num_classes = len(class_names)
    class_names = class_names[:MOST_CLASSES_SHOWN]
    figure = Figure(figsize=(max(7.0, 0.3 * len(class_names)), 4.5), layout="constrained")
    axes = figure.subplots()
    _clear_frame(axes)
    positions = np.arange(len(class_names))
    total = np.zeros(len(class_names), dtype=np.int64)
    for (split, count), colour in zip(counts.items(), (BLUE, VERMILLION, GREEN), strict=False):
        label = f"{split}: {count.sum():,}"
        shown = count[:MOST_CLASSES_SHOWN]
        axes.bar(positions, shown, bottom=total, width=0.75, color=colour, label=label)
        total += shown
    if len(class_names) <= MOST_CLASSES_WITH_COUNTS:
        _write_above(axes, total)
    _name_bars(axes, class_names)
    figure.legend(loc="outside upper center", ncols=len(counts), frameon=False)
    _say_if_cut(figure, num_classes)
    save_figure(figure, path)


def draw_mean_digit_per_class(
    pixels: np.ndarray, labels: np.ndarray, *, class_names: Sequence[str], path: Path
) -> None:
    """Draw the mean image of each class as a PNG at `path`.

    pixels: uint8 `[N, C, H, W]`. labels: int64 `[N]`, an index into class_names. Of more than 100
    classes the first are drawn.
    """
    num_classes = len(class_names)
    class_names = class_names[:MOST_CLASSES_SHOWN]
    columns = max(5, ceil(len(class_names) ** 0.5))
    figure, axes = _grid(
        len(class_names), columns=columns, inches=1.7, image_shape=pixels.shape[1:]
    )
    for index, (place, name) in enumerate(zip(axes, class_names, strict=True)):
        members = pixels[labels == index]
        if len(members):
            _show(place, members.mean(axis=0), title=name)
        else:
            text = f"{_short(name)}\nno image"
            place.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    _say_if_cut(figure, num_classes)
    save_figure(figure, path)


def _say_if_cut(figure: Figure, num_classes: int) -> None:
    if num_classes > MOST_CLASSES_SHOWN:
        note = f"the first {MOST_CLASSES_SHOWN} of {num_classes:,} classes"
        figure.supxlabel(note, fontsize=9, color=MUTED)


def _grid(
    count: int, *, columns: int, inches: float, image_shape: tuple[int, ...]
) -> tuple[Figure, list[Axes]]:
    """Return a figure and `count` empty places for images `[C, H, W]`, each `inches` wide."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    height = inches * min(max(image_shape[1] / image_shape[2], 0.1), 10) + TITLE_INCHES
    figure = Figure(figsize=(inches * columns, height * rows), layout="constrained")
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for place in places:
        place.set_axis_off()
    return figure, places[:count]


def _show(place: Axes, image: np.ndarray, *, title: str) -> None:
    """Show an image `[C, H, W]`, 0..255: in colour if C is 3, else the mean grey."""
    picture = image.transpose(1, 2, 0) / 255 if len(image) == 3 else image.mean(axis=0)
    place.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    place.set_title(_short(title), fontsize=12, color=INK, pad=4)


def _clear_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(MUTED)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=MUTED, labelcolor=INK)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("images", color=INK)


def _write_above(axes: Axes, total: np.ndarray) -> None:
    for position, height in enumerate(total):
        axes.annotate(
            f"{height:,}",
            (position, height),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )


def _name_bars(axes: Axes, class_names: Sequence[str]) -> None:
    long = max(map(len, class_names)) > 3
    axes.set_xticks(
        range(len(class_names)),
        [_short(name) for name in class_names],
        rotation=60 if long else 0,
        ha="right" if long else "center",
        rotation_mode="anchor" if long else "default",
    )
    axes.margins(x=0.01)


def _short(name: str) -> str:
    """Return `name` on one line and not too long; a `$` would start a formula."""
    line = " ".join(name.split())
    cut = line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"
    return cut.replace("$", r"\$")
