"""How sure a model is against how often it is right."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from src.figures.canvas import trimmed
from src.figures.style import INK, LEGEND, MUTED, VERMILLION, new_figure, save_figure, style_axes
from src.stats.intervals import wilson_interval
from src.stats.scores import CalibrationTable, calibration_table

NUM_BINS = 15
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BAR = "#4095c5"
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
    whose = f"{trimmed(title, width=150)}: " if title else ""
    said = f"calibration error {table.expected_error:.4f} (images: {table.counts.sum():,})"
    figure = new_figure(width_px=560, height_px=560)
    diagram = figure.add_axes((0.14, 0.345, 0.83, 0.6))
    _draw_diagram(diagram, table)
    style_axes(diagram, title=f"{whose}Expected {said}", x_label="", y_label="accuracy")
    histogram = figure.add_axes((0.14, 0.085, 0.83, 0.165))
    _draw_histogram(histogram, table)
    style_axes(histogram, title="", x_label="confidence of the prediction", y_label="images")
    # under the diagram, for no corner of it is surely empty
    figure.legend(loc=(0.13, 0.265), ncols=3, **LEGEND)
    save_figure(figure, path)


def _draw_diagram(axes: Axes, table: CalibrationTable) -> None:
    filled = np.flatnonzero(table.counts)
    counts, means, accuracy = (a[filled] for a in (table.counts, table.confidence, table.accuracy))
    right = (accuracy * counts).round().astype(int)
    ends = [wilson_interval(int(r), int(n)) for r, n in zip(right, counts, strict=True)]
    _draw_bars(axes, table, heights=table.accuracy)
    axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle="--", label="calibrated")
    axes.vlines(means, *zip(*ends, strict=True), color=INK, linewidth=1, label="95 % interval")
    label = "accuracy at mean confidence"
    axes.plot(means, accuracy, color=VERMILLION, marker="o", markersize=5, linewidth=0, label=label)
    axes.set_ylim(0, 1.02)
    axes.set_yticks(SHARES)


def _draw_histogram(axes: Axes, table: CalibrationTable) -> None:
    _draw_bars(axes, table, heights=table.counts)
    axes.set_yscale("log")
    axes.set_ylim(FEWEST, max(10, 2 * int(table.counts.max())))
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()


def _draw_bars(axes: Axes, table: CalibrationTable, *, heights: np.ndarray) -> None:
    filled = np.flatnonzero(table.counts)
    lefts, width = table.edges[filled], 1 / NUM_BINS
    axes.bar(lefts, heights[filled], width, align="edge", color=BAR, edgecolor="white")
    axes.set_xlim(0, 1.01)
    axes.set_xticks(SHARES)
