"""Loss and accuracy over the epochs of one training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw

from src.figures.canvas import blank, save_picture, text_width, write
from src.figures.chart import TICK_SIZE, Chart
from src.figures.style import BLUE, GREEN, VERMILLION

# A run's accuracy axis ends at 1 and begins at one of these (its steps beside it), so that
# the pictures of several runs compare.
ACCURACY_AXES = ((0.9, 0.02), (0.8, 0.05), (0.5, 0.1), (0.0, 0.2))
# Losses that differ by more than this factor are drawn on a logarithmic axis.
LINEAR_LOSS_RANGE = 20.0
LEFT, RIGHT = (72, 41, 423, 308), (518, 41, 873, 308)  # left, top, right, bottom in pixels
MOST_DOTS = 30


def draw_learning_curves(
    history: Sequence[Mapping[str, float]], *, best_epoch: int, select: str, path: Path
) -> None:
    """Draw log-loss and accuracy, training against validation, as a PNG at `path`.

    history: one mapping per epoch with train_loss, val_loss (nats, > 0), train_accuracy and
    val_accuracy (0..1). best_epoch: the one whose weights are kept, counted from 1, marked in both
    charts as the one that `select` names: "best" or "last".
    """
    if not 1 <= best_epoch <= len(history):
        raise ValueError(f"best_epoch must be in 1..{len(history)}, got {best_epoch}")
    page, pen = blank(width=900, height=380)
    _draw_loss(page, history, best_epoch=best_epoch)
    _draw_accuracy(page, history, best_epoch=best_epoch)
    _write_legend(pen, select=select)
    save_picture(page, path)


def _draw_loss(
    page: Image.Image, history: Sequence[Mapping[str, float]], *, best_epoch: int
) -> None:
    losses = [epoch[name] for epoch in history for name in ("train_loss", "val_loss")]
    low, high = min(losses), max(losses)
    y_label = "log-loss (nats)"
    log_y = low > 0 and high > LINEAR_LOSS_RANGE * low
    if log_y:
        low, high = low / 1.3, high * 1.3
        y_label += ", logarithmic axis"
        ticks = _round_numbers(low, high)
    else:
        low, high = 0.0, max(high * 1.05, 1e-6)
        ticks = list(MaxNLocator(nbins=6).tick_values(low, high))
    chart = Chart(
        LEFT,
        x_limits=_epoch_limits(len(history)),
        y_limits=(low, high),
        x_ticks=_epoch_ticks(len(history)),
        y_ticks={tick: _short_number(tick) for tick in ticks if low <= tick <= high},
        log_y=log_y,
    )
    _draw_pair(chart, history, metric="loss", best_epoch=best_epoch, y_limits=(low, high))
    best = history[best_epoch - 1]["val_loss"]
    title = f"Log-loss: {best:.4f} on validation at epoch {best_epoch}"
    chart.put_on(page, title=title, x_label="epoch", y_label=y_label)


def _draw_accuracy(
    page: Image.Image, history: Sequence[Mapping[str, float]], *, best_epoch: int
) -> None:
    lowest = min(min(epoch["train_accuracy"], epoch["val_accuracy"]) for epoch in history)
    start, step = next(axis for axis in ACCURACY_AXES if axis[0] <= max(lowest, 0.0))
    y_limits = (start, 1 + 0.02 * (1 - start))
    chart = Chart(
        RIGHT,
        x_limits=_epoch_limits(len(history)),
        y_limits=y_limits,
        x_ticks=_epoch_ticks(len(history)),
        y_ticks={tick: f"{tick:.2f}" for tick in np.arange(start, 1 + step / 2, step)},
    )
    _draw_pair(chart, history, metric="accuracy", best_epoch=best_epoch, y_limits=y_limits)
    best = history[best_epoch - 1]["val_accuracy"]
    title = f"Accuracy: {best:.4f} on validation at epoch {best_epoch}"
    chart.put_on(page, title=title, x_label="epoch", y_label="accuracy")


def _draw_pair(
    chart: Chart,
    history: Sequence[Mapping[str, float]],
    *,
    metric: str,
    best_epoch: int,
    y_limits: tuple[float, float],
) -> None:
    epochs = range(1, len(history) + 1)
    chart.dashes((best_epoch, y_limits[0]), (best_epoch, y_limits[1]), colour=GREEN)
    for split, colour in (("train", BLUE), ("val", VERMILLION)):
        values = [epoch[f"{split}_{metric}"] for epoch in history]
        chart.line(epochs, values, colour=colour)
        if len(history) <= MOST_DOTS:
            chart.dots(epochs, values, colour=colour, radius=3)
    chart.star(best_epoch, history[best_epoch - 1][f"val_{metric}"], colour=GREEN)


def _write_legend(pen: ImageDraw.ImageDraw, *, select: str) -> None:
    """Say under the right chart what the lines are: no corner of it is surely empty."""
    x, y = RIGHT[0], RIGHT[3] + 56
    kept = f"{select} epoch"
    for words, colour in (("training", BLUE), ("validation", VERMILLION), (kept, GREEN)):
        pen.line((x, y, x + 18, y), fill=colour, width=2)
        write(pen, (x + 23, y), words, size=TICK_SIZE, anchor="lm")
        x += 23 + text_width(words, size=TICK_SIZE) + 16


def _epoch_limits(num_epochs: int) -> tuple[float, float]:
    spare = max(0.5, 0.02 * num_epochs)
    return 1 - spare, num_epochs + spare


def _epoch_ticks(num_epochs: int) -> dict[float, str]:
    """Return whole numbers at round distances, the first epoch among them."""
    ticks = MaxNLocator(nbins=8, integer=True, min_n_ticks=1).tick_values(1, num_epochs)
    epochs = {max(1, round(tick)) for tick in ticks if tick <= num_epochs}
    return {epoch: f"{epoch:,}" for epoch in sorted(epochs)}


def _round_numbers(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten between two positive numbers; few over long ranges."""
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = (1.0, 2.0, 5.0) if len(powers) <= 4 else (1.0,)
    every = powers[:: max(1, len(powers) // 6)]
    return [step * 10**power for power in every for step in steps]


def _short_number(value: float) -> str:
    return f"{value:g}" if value == 0 or 1e-3 <= value < 1e4 else f"{value:.0e}"
