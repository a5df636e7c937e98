"""Curves over the epochs of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from src.figures import style

# A run's accuracy axis ends at 1 and begins at one of these: pictures of several runs compare.
ACCURACY_STARTS = (0.9, 0.8, 0.5, 0.0)
# Losses that differ by more than this factor are drawn on a logarithmic axis.
LINEAR_LOSS_RANGE = 20.0
MAX_DOTS = 30

History = Sequence[Mapping[str, float]]


def draw_learning_curves(history: History, *, best_epoch: int, select: str, path: Path) -> None:
    """Draw log-loss and accuracy, training against validation, as a PNG at `path`.

    history: one mapping per epoch with train_loss, val_loss (nats, > 0), train_accuracy and
    val_accuracy (0..1); those of the validation are left out where there was none. best_epoch: the
    one whose weights are kept, counted from 1, marked in both charts as the one that `select`
    names: "best" or "last".
    """
    if not 1 <= best_epoch <= len(history):
        raise ValueError(f"best_epoch must be in 1..{len(history)}, got {best_epoch}")
    figure = style.new_figure(width_px=900, height_px=380)
    loss, accuracy = (figure.add_axes((left, 0.19, 0.39, 0.7)) for left in (0.085, 0.58))
    losses = _draw_pair(loss, history, metric="loss", best_epoch=best_epoch)
    loss.set_ylabel(_scale_losses(loss, losses))
    shares = _draw_pair(accuracy, history, metric="accuracy", best_epoch=best_epoch)
    start = next(start for start in ACCURACY_STARTS if start <= max(0.0, min(shares)))
    accuracy.set_ylim(start, 1 + 0.02 * (1 - start))
    accuracy.yaxis.set_major_formatter("{x:.2f}")
    validated = ["validation"] if "val_loss" in history[0] else []
    words = ["training", *validated, f"{select} epoch"]
    figure.legend(accuracy.lines[1:], words, ncols=3, loc=(0.57, 0.01), **style.LEGEND)
    style.save_figure(figure, path)


def _draw_pair(axes: Axes, history: History, *, metric: str, best_epoch: int) -> list[float]:
    """Draw a metric of both splits with the best epoch marked; return all its values."""
    train = [epoch[f"train_{metric}"] for epoch in history]
    validation = [epoch[f"val_{metric}"] for epoch in history if f"val_{metric}" in epoch]
    axes.axvline(best_epoch, color=style.GREEN, linewidth=1, linestyle="--")
    _line(axes, train, color=style.BLUE, markersize=4.5)
    if validation:
        _line(axes, validation, color=style.VERMILLION, markersize=4.5)
    best = (validation or train)[best_epoch - 1]
    axes.plot([best_epoch], [best], "*", color=style.GREEN, markersize=13, zorder=3)
    _number_epochs(axes, len(history))
    name = "Log loss" if metric == "loss" else "Accuracy"
    where = "on validation" if validation else "while training"
    title = f"{name}: {best:.4f} {where} at epoch {best_epoch}"
    style.style_axes(axes, title=title, x_label="epoch", y_label=metric)
    return train + validation


def _line(axes: Axes, values: Sequence[float], *, color: str, **how: Any) -> None:
    marker = "o" if len(values) <= MAX_DOTS else ""
    axes.plot(range(1, len(values) + 1), values, color=color, marker=marker, **how)


def _number_epochs(axes: Axes, num_epochs: int) -> None:
    """Let the x axis hold epochs 1 to `num_epochs`, with whole numbers at round distances."""
    spare = max(0.5, 0.02 * num_epochs)
    axes.set_xlim(1 - spare, num_epochs + spare)
    ticks = MaxNLocator(nbins=6, integer=True, min_n_ticks=1).tick_values(1, num_epochs)
    axes.set_xticks(sorted({max(1, round(tick)) for tick in ticks if tick <= num_epochs}))


def _scale_losses(axes: Axes, losses: Sequence[float]) -> str:
    """Give the y axis limits and ticks that suit losses in nats; return its label."""
    low, high = min(losses), max(losses)
    if low > 0 and high > LINEAR_LOSS_RANGE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        subs = (1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
        axes.minorticks_off()
    else:
        axes.set_ylim(0, max(1.05 * high, 1e-6))
    axes.yaxis.set_major_formatter("{x:.3g}")
    return "log-loss (nats)" + (", logarithmic axis" if axes.get_yscale() == "log" else "")
