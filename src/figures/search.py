"""Charts of a search: values of its trials in, SVG out; narrow enough for a telephone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator

from src.figures import style
from src.figures.canvas import trimmed
from src.stats.scores import expected_best

WIDTH, LEVEL = 420, 62
FAINT = "#b9c4cc"
STATES = {
    "winner": style.GREEN,
    "complete": style.BLUE,
    "excluded": "#56b4e9",
    "pruned": FAINT,
    "stopped": "#e3e3e3",
    "failed": style.VERMILLION,
}


@final
@dataclass(frozen=True)
class Values:
    """An objective's values `[N]`, of trials in the order they ended.

    whole `[N]`: which trials were trained to their end; of the others the best value before. best:
    place of the winner. excluded `[N]`: which of them may not win.
    """

    name: str
    values: np.ndarray
    whole: np.ndarray
    best: int
    maximize: bool = True
    excluded: np.ndarray | bool = False

    @property
    def gains(self) -> np.ndarray:
        """The values, turned so that more is better."""
        return self.values if self.maximize else -self.values

    @property
    def chances(self) -> np.ndarray:
        """The gains, where a trial that may not win has at most the least of those that may."""
        worst = self.gains[self.whole].min()
        return np.where(self.excluded, np.minimum(self.gains, worst), self.gains)

    def limits(self, target: float | None = None) -> tuple[float, float]:
        """Return from where to where values differ: what is far behind the better half is left."""
        known = self.gains[self.whole]
        best, middle = float(known.max()), float(np.median(known))
        spread = max(best - middle, 1e-3 * abs(best), 1e-9)
        ends = [max(float(known.min()), middle - 2 * spread), best]
        if target is not None:
            ends.append(target if self.maximize else -target)
        low, high = min(ends) - 0.3 * spread, max(ends) + 0.3 * spread
        return (low, high) if self.maximize else (-high, -low)


def draw_best_so_far(
    of: Values, at: Sequence[float], *, target: float | None, x_label: str
) -> bytes:
    """Draw every trial's value at `at`, trials or seconds `[N]`, and the best until then."""
    axes = _axes(f"Best {of.name} so far", x_label)
    axes.set_ylim(of.limits(target))
    _dots(axes, at, of)
    best = np.maximum.accumulate(np.where(of.whole, of.gains, -np.inf))
    axes.step(at, best if of.maximize else -best, where="post", color=style.BLUE)
    if target is not None:
        axes.axhline(target, color=style.VERMILLION, linestyle="--", linewidth=1)
        axes.text(max(at), target, "target", color=style.VERMILLION, fontsize=8, ha="right")
    return style.svg(axes)


def draw_expected_best(of: Values) -> bytes:
    """Draw the best value to be expected of 1 to N trials, with its standard deviation."""
    mean, spread = expected_best(of.chances)
    sign, trials = 1 if of.maximize else -1, range(1, len(mean) + 1)
    axes = _axes(f"Expected best {of.name}", "trials")
    axes.set_ylim(of.limits())
    low, high = np.clip((mean - spread, mean + spread), of.chances.min(), of.chances.max())
    axes.fill_between(trials, sign * low, sign * high, color=style.BLUE, alpha=0.18, linewidth=0)
    axes.plot(trials, sign * mean, color=style.BLUE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return style.svg(axes)


def draw_slice(name: str, drawn: Sequence[Any], of: Values, *, log: bool) -> bytes:
    """Draw the objective over one hyperparameter.

    drawn: its values `[N]`, numbers or words, None where it did not exist.
    """
    axes = _axes(name, "")
    axes.set_ylim(of.limits())
    _dots(axes, drawn, of)
    _scale(axes, drawn, log=log)
    return style.svg(axes)


def draw_parallel(
    columns: Mapping[str, Sequence[Any]], of: Values, *, log: Collection[str]
) -> bytes:
    """Draw trained trials as lines over axes below each other, the objective's at the bottom.

    columns: of every hyperparameter its values `[N]`, as for a slice; log: names of those on a
    logarithmic axis. The best quarter is blue, the winner green.
    """
    every = {**columns, of.name: [float(v) for v in np.clip(of.values, *of.limits())]}
    height = LEVEL * len(every)
    figure = style.new_figure(width_px=WIDTH, height_px=height)
    lines: list[list[tuple[float, float]]] = [[] for _ in of.values]
    for level, (name, drawn) in enumerate(every.items(), start=1):
        place = (0.08, 1 - (LEVEL * level - 26) / height, 0.84, 0.001)
        axes = figure.add_axes(place, facecolor="none", zorder=1)
        style.style_axes(axes, title=trimmed(name, width=WIDTH - 80), x_label="", y_label="")
        axes.set_yticks([])
        there = [n for n, value in enumerate(drawn) if value is not None]
        axes.scatter([drawn[n] for n in there], [0] * len(there), s=0)
        _scale(axes, drawn, log=name in log)
        axes.autoscale_view()
        for text in (axes.title, *axes.get_xticklabels()):
            text.set_bbox({"color": style.PAPER, "alpha": 0.75, "pad": 1})
        for n in there:
            on_page = axes.transData.transform((axes.convert_xunits(drawn[n]), 0))
            x, _ = figure.transFigure.inverted().transform(on_page)
            lines[n].append((x, place[1]))
    good = np.quantile(of.gains[of.whole], 0.75)
    for n in np.flatnonzero(of.whole)[np.argsort(of.gains[of.whole])]:
        look = _look(of, n, bright=of.gains[n] >= good)
        figure.add_artist(Line2D(*zip(*lines[n], strict=True), **look))
    return style.svg(axes)


def draw_trial_curves(curves: Sequence[Sequence[float]], of: Values) -> bytes:
    """Draw the objective over the epochs of every trial `[N]`, each from epoch 1."""
    axes = _axes(f"{of.name} by epoch", "epoch")
    for n in sorted(range(len(curves)), key=lambda n: (n == of.best, of.whole[n])):
        epochs = range(1, len(curves[n]) + 1)
        axes.plot(epochs, curves[n], **_look(of, n, bright=bool(of.whole[n])), alpha=0.7)
    axes.set_ylim(of.limits())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return style.svg(axes)


def draw_timeline(bars: Sequence[tuple[int, float, float, str]]) -> bytes:
    """Draw (worker from 0, from, to, one of STATES) of every trial; times in seconds."""
    workers = 1 + max(worker for worker, *_ in bars)
    axes = _axes("", "seconds", height=90 + 26 * workers)
    for worker, began, ended, state in bars:
        how: dict[str, Any] = {"color": STATES[state], "edgecolor": style.PAPER, "height": 0.75}
        axes.barh(worker, ended - began, left=began, **how)
    axes.set_yticks(range(workers), [f"worker {n + 1}" for n in range(workers)])
    axes.set_ylim(workers - 0.5, -0.5)
    axes.grid(visible=False)
    shown = [name for name in STATES if name in {state for *_, state in bars}]
    patches = [Patch(color=STATES[name], label=name) for name in shown]
    narrow = {**style.LEGEND, "columnspacing": 1.2, "handlelength": 1.2}
    axes.figure.legend(handles=patches, ncols=len(shown), loc="upper left", **narrow)
    return style.svg(axes)


def draw_front(across: np.ndarray, of: Values, *, name: str) -> bytes:
    """Draw trials by two objectives; `across` `[N]`: the other one's values, called `name`.

    Of the values, whole are those of the Pareto front.
    """
    axes = _axes(f"{of.name} against {name}", name)
    axes.scatter(across[~of.whole], of.values[~of.whole], s=16, color=FAINT)
    front = np.flatnonzero(of.whole)[np.argsort(across[of.whole])]
    axes.plot(across[front], of.values[front], color=style.GREEN, marker="o", markersize=5)
    _scale(axes, across.tolist(), log=bool(across.min() > 0 and across.max() > 20 * across.min()))
    return style.svg(axes)


def _axes(title: str, x_label: str, *, height: int = 280) -> Axes:
    figure = style.new_figure(width_px=WIDTH, height_px=height)
    under = 44 if x_label else 26
    axes = figure.add_axes((0.15, under / height, 0.815, 1 - (under + 30) / height))
    style.style_axes(axes, title=trimmed(title, width=WIDTH - 80), x_label=x_label, y_label="")
    axes.yaxis.set_major_formatter("{x:.5g}")
    return axes


def _scale(axes: Axes, drawn: Sequence[Any], *, log: bool) -> None:
    """Give the x axis the scale of a hyperparameter, with whole ticks where it is whole."""
    known = [value for value in drawn if value is not None]
    if log:
        axes.set_xscale("log")
        subs = (1.0,) if max(known) > 100 * min(known) else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.minorticks_off()
    elif not isinstance(known[0], str):
        whole = all(isinstance(value, int) for value in known)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=whole))
    if not isinstance(known[0], str):
        axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.06)


def _look(of: Values, n: int, *, bright: bool) -> dict[str, Any]:
    """Return how a trial's line is drawn: the winner's stands out, a bright one a little."""
    colour = style.GREEN if n == of.best else style.BLUE if bright else FAINT
    return {"color": colour, "linewidth": 2.2 if n == of.best else 1.0, "zorder": 0.9}


def _dots(axes: Axes, at: Sequence[Any], of: Values) -> None:
    """Draw trials as dots, pruned ones faint; those beyond the y axis lie on its edge."""
    shown = np.clip(of.values, *axes.get_ylim())
    best = np.arange(len(of.values)) == of.best
    for which, colour, marker in (
        (~of.whole, FAINT, "."),
        (of.whole & ~best, style.BLUE, "."),
        (best, style.GREEN, "*"),
    ):
        there = [n for n, value in enumerate(at) if which[n] and value is not None]
        axes.scatter(
            [at[n] for n in there],
            shown[there],
            s=140 if marker == "*" else 60,
            marker=marker,
            color=colour,
            clip_on=False,
            zorder=3,
        )
