"""How sure a model is against how often it is right."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from src.figures.style import (
    BLUE,
    FONT_SIZE,
    INK,
    MUTED,
    PAPER,
    VERMILLION,
    finish_axes,
    new_figure,
    save_figure,
)
from src.statistics import CalibrationTable, calibration_table, wilson_interval

NUM_BINS = 15
SHARES = {share: f"{share:.1f}" for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}
FEWEST = 0.7  # where the logarithmic axis of counts begins: one image is still a bar


def draw_reliability(
    probabilities: np.ndarray, labels: np.ndarray, *, path: Path, title: str = ""
) -> None:
    """Draw a reliability diagram with 15 equal-width bins (Guo et al. 2017) as a PNG at `path`.

    probabilities: float `[N, K]`, rows that sum to 1. labels: int64 `[N]`. A bar is the accuracy
    of a bin with its 95 % Wilson interval, a dot stands at its mean confidence; empty bins are
    not drawn. Underneath: how many images a bin holds, on a logarithmic axis. title: whose it is.
    """
    table = calibration_table(probabilities, labels, num_bins=NUM_BINS)
    figure = new_figure(width_px=560, height_px=560)
    diagram = figure.add_axes((0.115, 0.345, 0.855, 0.595))
    histogram = figure.add_axes((0.115, 0.085, 0.855, 0.165))
    _draw_diagram(diagram, table, title=title)
    _draw_histogram(histogram, table)
    save_figure(figure, path)


def _draw_diagram(axes: Axes, table: CalibrationTable, *, title: str) -> None:
    filled = np.flatnonzero(table.counts)
    means, accuracy = table.confidence[filled], table.accuracy[filled]
    low, high = _accuracy_intervals(table, filled)
    _draw_bars(axes, table.edges[filled], accuracy, bottom=0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="calibrated")
    axes.vlines(means, low, high, color=INK, linewidth=1.2, label="95 % interval")
    dots = axes.plot(means, accuracy, "o", color=VERMILLION, markersize=5, clip_on=False)
    dots[0].set_label("accuracy at mean confidence")
    axes.set_ylim(0, 1.02)
    # under the diagram: no corner of it is surely empty
    axes.legend(
        fontsize=FONT_SIZE - 1,
        frameon=False,
        ncols=3,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.055),
    )
    error, total = table.expected_error, table.counts.sum()
    finish_axes(
        axes,
        title=f"{title}{': ' if title else ''}Expected calibration error {error:.4f} "
        f"(images: {total:,})",
        x_label="",
        y_label="accuracy",
        x_ticks=SHARES,
        y_ticks=SHARES,
    )


def _draw_histogram(axes: Axes, table: CalibrationTable) -> None:
    filled = np.flatnonzero(table.counts)
    axes.set_yscale("log")
    _draw_bars(axes, table.edges[filled], table.counts[filled], bottom=FEWEST)
    highest = max(10, 2 * int(table.counts.max()))
    axes.set_ylim(FEWEST, highest)
    powers = [10**power for power in range(0, 10, 2 if highest > 1000 else 1)]
    finish_axes(
        axes,
        title="",
        x_label="confidence of the prediction",
        y_label="images",
        x_ticks=SHARES,
        y_ticks={count: f"{count:,}" for count in powers if count <= highest},
    )


def _draw_bars(axes: Axes, lefts: np.ndarray, heights: np.ndarray, *, bottom: float) -> None:
    """Draw all bars as one collection: a patch each would take four times as long."""
    rights = lefts + 1 / NUM_BINS
    corners = [
        [(left, bottom), (left, top), (right, top), (right, bottom)]
        for left, right, top in zip(lefts, rights, heights, strict=True)
    ]
    axes.add_collection(PolyCollection(corners, facecolor=BLUE, edgecolor=PAPER, alpha=0.75))
    axes.set_xlim(0, 1.01)


def _accuracy_intervals(
    table: CalibrationTable, bins: np.ndarray
) -> tuple[list[float], list[float]]:
    ends = [
        wilson_interval(round(table.accuracy[b] * table.counts[b]), int(table.counts[b]))
        for b in bins
    ]
    return [low for low, _ in ends], [high for _, high in ends]
