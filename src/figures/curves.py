"""Loss and accuracy over the epochs of one training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from src.figures.style import (
    BLUE,
    FONT_SIZE,
    GREEN,
    VERMILLION,
    finish_axes,
    new_figure,
    save_figure,
)

# A run's accuracy axis ends at 1 and begins at one of these (its steps beside it), so that
# the pictures of several runs compare.
ACCURACY_AXES = ((0.9, 0.02), (0.8, 0.05), (0.5, 0.1), (0.0, 0.2))
# Losses that differ by more than this factor are drawn on a logarithmic axis.
LINEAR_LOSS_RANGE = 20.0


def draw_learning_curves(
    history: Sequence[Mapping[str, float]], *, best_epoch: int, path: Path
) -> None:
    """Draw log-loss and accuracy, training against validation, as a PNG at `path`.

    history: one mapping per epoch with train_loss, val_loss (nats, > 0), train_accuracy and
    val_accuracy (0..1). best_epoch: counted from 1, marked in both charts.
    """
    if not 1 <= best_epoch <= len(history):
        raise ValueError(f"best_epoch must be in 1..{len(history)}, got {best_epoch}")
    figure = new_figure(width_px=900, height_px=360)
    left = figure.add_axes((0.08, 0.145, 0.39, 0.74))
    right = figure.add_axes((0.575, 0.145, 0.395, 0.74))
    _draw_loss(left, history, best_epoch=best_epoch)
    _draw_accuracy(right, history, best_epoch=best_epoch)
    save_figure(figure, path)


def _draw_loss(axes: Axes, history: Sequence[Mapping[str, float]], *, best_epoch: int) -> None:
    _draw_pair(axes, history, metric="loss", best_epoch=best_epoch)
    losses = [epoch[name] for epoch in history for name in ("train_loss", "val_loss")]
    low, high = min(losses), max(losses)
    y_label = "log-loss (nats)"
    if low > 0 and high > LINEAR_LOSS_RANGE * low:
        axes.set_yscale("log")
        low, high = low / 1.3, high * 1.3
        y_label += ", logarithmic axis"
        ticks = _round_numbers(low, high)
    else:
        low, high = 0.0, max(high * 1.05, 1e-6)
        ticks = list(MaxNLocator(nbins=6).tick_values(low, high))
    axes.set_ylim(low, high)
    best = history[best_epoch - 1]["val_loss"]
    finish_axes(
        axes,
        title=f"Log-loss: {best:.4f} on validation at epoch {best_epoch}",
        x_label="epoch",
        y_label=y_label,
        x_ticks=_epoch_ticks(len(history)),
        y_ticks={tick: _short_number(tick) for tick in ticks if low <= tick <= high},
    )


def _draw_accuracy(axes: Axes, history: Sequence[Mapping[str, float]], *, best_epoch: int) -> None:
    _draw_pair(axes, history, metric="accuracy", best_epoch=best_epoch)
    lowest = min(min(epoch["train_accuracy"], epoch["val_accuracy"]) for epoch in history)
    start, step = next(axis for axis in ACCURACY_AXES if axis[0] <= max(lowest, 0.0))
    axes.set_ylim(start, 1 + 0.02 * (1 - start))
    axes.legend(fontsize=FONT_SIZE - 1, edgecolor="none", loc="lower right")
    best = history[best_epoch - 1]["val_accuracy"]
    finish_axes(
        axes,
        title=f"Accuracy: {best:.4f} on validation at epoch {best_epoch}",
        x_label="epoch",
        y_label="accuracy",
        x_ticks=_epoch_ticks(len(history)),
        y_ticks={tick: f"{tick:.2f}" for tick in np.arange(start, 1 + step / 2, step)},
    )


def _draw_pair(
    axes: Axes, history: Sequence[Mapping[str, float]], *, metric: str, best_epoch: int
) -> None:
    epochs = np.arange(1, len(history) + 1)
    marker = "o" if len(history) <= 30 else ""
    for split, name, colour in (("train", "training", BLUE), ("val", "validation", VERMILLION)):
        values = [epoch[f"{split}_{metric}"] for epoch in history]
        axes.plot(epochs, values, color=colour, label=name, marker=marker, markersize=3.5)
    axes.axvline(best_epoch, color=GREEN, linewidth=1, linestyle="--", label="best epoch")
    best = history[best_epoch - 1][f"val_{metric}"]
    axes.plot([best_epoch], [best], color=GREEN, marker="*", markersize=12, linestyle="none")
    spare = max(0.5, 0.02 * len(history))
    axes.set_xlim(1 - spare, len(history) + spare)


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
