"""How sure a model is against how often it is right."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from src.figures.canvas import blank, save_picture, write
from src.figures.chart import TICK_SIZE, Chart
from src.figures.style import INK, MUTED, VERMILLION
from src.stats.intervals import wilson_interval
from src.stats.scores import CalibrationTable, calibration_table

NUM_BINS = 15
SHARES = {share: f"{share:.1f}" for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}
BAR = "#4095c5"
DIAGRAM, HISTOGRAM = (64, 34, 543, 367), (64, 420, 543, 512)  # left, top, right, bottom in pixels
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
    page, _ = blank(width=560, height=560)
    _draw_diagram(page, table, title=title)
    _draw_histogram(page, table)
    save_picture(page, path)


def _draw_diagram(page: Image.Image, table: CalibrationTable, *, title: str) -> None:
    filled = np.flatnonzero(table.counts)
    means, accuracy = table.confidence[filled], table.accuracy[filled]
    chart = Chart(DIAGRAM, x_limits=(0, 1.01), y_limits=(0, 1.02), x_ticks=SHARES, y_ticks=SHARES)
    for left, height in zip(table.edges[filled], accuracy, strict=True):
        chart.bar(left, left + 1 / NUM_BINS, height, colour=BAR)
    chart.dashes((0, 0), (1, 1), colour=MUTED)
    for mean, low, high in zip(means, *_accuracy_intervals(table, filled), strict=True):
        chart.upright(mean, low, high, colour=INK)
    chart.dots(means.tolist(), accuracy.tolist(), colour=VERMILLION, radius=3.5)
    error, total = table.expected_error, table.counts.sum()
    said = f"Expected calibration error {error:.4f} (images: {total:,})"
    chart.put_on(
        page, title=f"{title}{': ' if title else ''}{said}", x_label="", y_label="accuracy"
    )
    _write_legend(page)


def _write_legend(page: Image.Image) -> None:
    """Say under the diagram what its marks are: no corner of it is surely empty."""
    pen, y = ImageDraw.Draw(page), DIAGRAM[3] + 32
    for x in (64, 71, 78):
        pen.line((x, y, x + 4, y), fill=MUTED)
    write(pen, (92, y), "calibrated", size=TICK_SIZE, anchor="lm")
    pen.line((174, y, 194, y), fill=INK)
    write(pen, (204, y), "95 % interval", size=TICK_SIZE, anchor="lm")
    pen.ellipse((310, y - 3, 317, y + 4), fill=VERMILLION)
    write(pen, (333, y), "accuracy at mean confidence", size=TICK_SIZE, anchor="lm")


def _draw_histogram(page: Image.Image, table: CalibrationTable) -> None:
    highest = max(10, 2 * int(table.counts.max()))
    powers = [10**power for power in range(0, 10, 2 if highest > 1000 else 1)]
    chart = Chart(
        HISTOGRAM,
        x_limits=(0, 1.01),
        y_limits=(FEWEST, highest),
        x_ticks=SHARES,
        y_ticks={count: f"{count:,}" for count in powers if count <= highest},
        log_y=True,
    )
    for left, count in zip(table.edges, table.counts, strict=False):
        if count:
            chart.bar(left, left + 1 / NUM_BINS, count, colour=BAR)
    chart.put_on(page, title="", x_label="confidence of the prediction", y_label="images")


def _accuracy_intervals(
    table: CalibrationTable, bins: np.ndarray
) -> tuple[list[float], list[float]]:
    ends = [
        wilson_interval(round(table.accuracy[b] * table.counts[b]), int(table.counts[b]))
        for b in bins
    ]
    return [low for low, _ in ends], [high for _, high in ends]
