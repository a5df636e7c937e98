"""Several trainings in one chart: learning curves over each other, mistakes class by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from src.figures.canvas import trimmed
from src.figures.style import FONT_SIZE, INK, new_figure, save_figure, style_axes

# Okabe and Ito 2008, "Color universal design"; its yellow is too pale for lines on white
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#555555",
    "#8b6914",
)
WIDTH = 520
HEIGHT = 330
NAME_WIDTH = 230
# Losses that differ by more than this factor are drawn on a logarithmic axis.
LINEAR_LOSS_RANGE = 20.0


def draw_curves_together(
    curves: Mapping[str, Sequence[Sequence[float]]],
    *,
    metric: Literal["accuracy", "loss"],
    path: Path,
) -> None:
    """Draw validation curves over each other as a PNG at `path`.

    curves: by name of what was trained, at most 8; of each seed its values per epoch from 1, in
    0..1 (accuracy) or nats (loss).
    """
    figure = new_figure(width_px=WIDTH, height_px=HEIGHT)
    axes = figure.add_axes((0.125, 0.14, 0.85, 0.77))
    values = [v for seeds in curves.values() for seed in seeds for v in seed]
    for (name, seeds), colour in zip(curves.items(), COLOURS, strict=False):
        for number, seed in enumerate(seeds):
            label = _short(name) if number == 0 else None
            width = 1.8 if len(seeds) == 1 else 1.1
            marker = "o" if len(seed) <= 30 else ""
            epochs = np.arange(1, len(seed) + 1)
            axes.plot(
                epochs,
                seed,
                color=colour,
                linewidth=width,
                marker=marker,
                markersize=3,
                label=label,
            )
    what = "accuracy" if metric == "accuracy" else "log-loss (nats)"
    if metric == "loss" and min(values) > 0 and max(values) > LINEAR_LOSS_RANGE * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        what += ", logarithmic axis"
    elif metric == "loss":
        axes.set_ylim(0, 1.05 * max(values))
    else:
        axes.set_ylim(bottom=_floor(curves))
        what += f", from {axes.get_ylim()[0]:.2f} up"
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    style_axes(axes, title=f"Validation {what}", x_label="epoch", y_label="")
    axes.legend(
        fontsize=FONT_SIZE - 1,
        edgecolor="none",
        loc="lower right" if metric == "accuracy" else "upper right",
    )
    save_figure(figure, path)


def draw_errors_per_class(
    errors: Mapping[str, np.ndarray], *, class_names: Sequence[str], path: Path
) -> None:
    """Draw the share of each class that is classified wrongly, a bar a model, as PNG at `path`.

    errors: float `[K]` by name, 0..1, nan for a class without images; at most 8 models. All bars
    begin at 0.
    """
    thickness = 13 if len(errors) <= 3 else 8
    step = len(errors) * thickness + 9
    height = len(class_names) * step + 90 + 17 * len(errors)
    figure = new_figure(width_px=WIDTH, height_px=height)
    names = [trimmed(name, size=12, width=120) for name in class_names]
    left = 0.05 + 0.017 * max(len(name) for name in names)
    bottom, top = 42 / height, 1 - (34 + 17 * len(errors)) / height
    axes = figure.add_axes((left, bottom, 0.96 - left, top - bottom))
    places = np.arange(len(class_names)) * step
    highest = max(np.nanmax(shares) for shares in errors.values()) or 0.01
    for number, ((name, shares), colour) in enumerate(zip(errors.items(), COLOURS, strict=False)):
        at = places + (number - (len(errors) - 1) / 2) * thickness
        axes.barh(at, 100 * shares, height=thickness - 1, color=colour, label=_short(name))
        if len(class_names) <= 15:
            for y, share in zip(at, shares, strict=True):
                if np.isfinite(share):
                    words = f" {100 * share:.1f}"
                    axes.text(100 * share, y, words, fontsize=7, color=INK, va="center")
    axes.set_yticks(places, names)
    axes.set_ylim(places[-1] + step / 2, -step / 2)
    axes.set_xlim(0, 110 * highest)
    style_axes(axes, title="", x_label="percent of the class classified wrongly", y_label="")
    axes.grid(visible=False, axis="y")
    figure.legend(
        fontsize=FONT_SIZE - 1, edgecolor="none", loc="upper left", bbox_to_anchor=(0.01, 1.0)
    )
    save_figure(figure, path)


def _floor(curves: Mapping[str, Sequence[Sequence[float]]]) -> float:
    """Return where an axis begins that shows the last three quarters of every curve.

    The steep beginning would press the rest together.
    """
    lowest = min(min(seed[len(seed) // 4 :]) for seeds in curves.values() for seed in seeds)
    return max(0.0, np.floor(50 * (lowest - 0.005)) / 50)


def _short(name: str) -> str:
    return trimmed(name, size=11, width=NAME_WIDTH)
