"""The look all figures share: colours safe for colour-blind eyes, one font, white paper."""

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
