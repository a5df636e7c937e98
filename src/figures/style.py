"""The look all figures share: colours safe for colour-blind eyes, one font, white paper."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e4e4e4"
PAPER = "#ffffff"
# Okabe and Ito 2008, "Color universal design"
BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#009e73"
SERIES = (BLUE, VERMILLION, GREEN, "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#8b6914")
"""Colours of things beside each other; their yellow is too pale for lines on white."""

DPI = 100
FONT_SIZE = 9
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": FONT_SIZE - 1}


def new_figure(*, width_px: int, height_px: int) -> Figure:
    """Return an empty figure that no pyplot state knows of."""
    return Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor=PAPER)


def style_axes(axes: Axes, *, title: str, x_label: str, y_label: str) -> None:
    """Give a chart its title, labels, horizontal grid and no frame on top and right."""
    # a given height spares matplotlib the search for one: a sixth of the drawing
    axes.set_title(title, fontsize=FONT_SIZE + 1, color=INK, loc="left", y=1.0)
    axes.set_xlabel(x_label, fontsize=FONT_SIZE, color=INK)
    axes.set_ylabel(y_label, fontsize=FONT_SIZE, color=INK)
    axes.tick_params(which="both", labelsize=FONT_SIZE - 1, color=MUTED, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(MUTED)


def svg(axes: Axes) -> bytes:
    """Return the figure that axes are in as SVG, the same bytes each time; letters are shapes."""
    figure, image = axes.get_figure(root=True), BytesIO()
    assert figure is not None
    _no_formulas(figure)
    with rc_context({"svg.hashsalt": "figure"}):
        FigureCanvasSVG(figure).print_svg(image, metadata={"Date": None})
    return image.getvalue()


def _no_formulas(figure: Figure) -> None:
    for text in figure.findobj(Text):
        text.set_parse_math(False)


def drawn(figure: Figure) -> Image.Image:
    """Return a figure as a picture; a `$` in a name is no formula."""
    _no_formulas(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    save_picture(drawn(figure), path)


def save_picture(picture: Image.Image | np.ndarray, path: Path) -> None:
    """Write a picture (or uint8 `[H, W, 3]`) as PNG; little compression, it is faster."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(path, format="PNG", compress_level=1)


def colour_table(name: str, *, start: float = 0, stop: float = 1, size: int = 256) -> np.ndarray:
    """Return uint8 `[size, 3]`: the part `start`..`stop` (0..1) of a matplotlib colour map."""
    colours = colormaps[name](np.linspace(start, stop, size))[:, :3]
    return (colours * 255).round().astype(np.uint8)
