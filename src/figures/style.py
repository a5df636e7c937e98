"""The look all figures share: colours safe for colour-blind eyes, one font, white paper."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e4e4e4"
PAPER = "#ffffff"
# Okabe and Ito 2008, "Color universal design"
BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#009e73"

DPI = 100
FONT_SIZE = 9


def new_figure(*, width_px: int, height_px: int) -> Figure:
    """Return an empty figure that no pyplot state knows of."""
    return Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor=PAPER)


def style_axes(axes: Axes, *, title: str, x_label: str, y_label: str) -> None:
    """Give a chart its title, labels, horizontal grid and no frame on top and right."""
    axes.set_title(title, fontsize=FONT_SIZE + 1, color=INK, loc="left")
    axes.set_xlabel(x_label, fontsize=FONT_SIZE, color=INK)
    axes.set_ylabel(y_label, fontsize=FONT_SIZE, color=INK)
    axes.tick_params(which="both", labelsize=FONT_SIZE - 1, color=MUTED, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    _quiet_frame(axes)


def finish_axes(
    axes: Axes,
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Mapping[float, str],
    y_ticks: Mapping[float, str],
) -> None:
    """Do what `style_axes` does, faster, for the charts that every trial of a sweep draws.

    x_ticks, y_ticks: position to words. Call it last, when the limits are set: all of it goes to
    fixed places as plain text and lines, because matplotlib's own ticks, which could be zoomed,
    and its search for free places take half the time of a figure.
    """
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    _quiet_frame(axes)
    low, high = axes.get_xlim()
    axes.hlines(list(y_ticks), low, high, color=GRID, linewidth=0.8, zorder=0.5)
    write = partial(axes.annotate, fontsize=FONT_SIZE - 1, color=INK, textcoords="offset points")
    below = partial(write, xycoords=("data", "axes fraction"), ha="center", va="top")
    for position, words in x_ticks.items():
        below(words, (position, 0), (0, -4))
    beside = partial(write, xycoords=("axes fraction", "data"), ha="right", va="center")
    for position, words in y_ticks.items():
        beside(words, (0, position), (-4, 0))
    _write_titles(axes, title=title, x_label=x_label, y_label=y_label)


def _write_titles(axes: Axes, *, title: str, x_label: str, y_label: str) -> None:
    box = axes.bbox  # in pixels
    middle_x, middle_y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    write = partial(axes.text, transform=None, color=INK, fontsize=FONT_SIZE)
    write(box.x0, box.y1 + 6, title, fontsize=FONT_SIZE + 1, va="bottom")
    write(middle_x, box.y0 - 24, x_label, ha="center", va="top")
    write(box.x0 - 46, middle_y, y_label, ha="right", va="center", rotation=90)


def _quiet_frame(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(MUTED)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; little compression, because time counts more than bytes."""
    figure.savefig(path, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})


def colour_table(name: str, *, start: float = 0, stop: float = 1, size: int = 256) -> np.ndarray:
    """Return uint8 `[size, 3]`: the part `start`..`stop` (0..1) of a matplotlib colour map."""
    colours = colormaps[name](np.linspace(start, stop, size))[:, :3]
    return (colours * 255).round().astype(np.uint8)
