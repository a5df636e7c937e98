"""Alternating repeats and their medians, so that a ratio survives a noisy machine."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter


def alternate(contestants: Mapping[str, Callable[[], float]], *, repeats: int) -> dict[str, list]:
    """Return the seconds of every contestant, each run `repeats` times in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            seconds[name].append(run())
    return seconds


def say(name: str, seconds: list[float], reference: list[float] | None = None) -> None:
    """Print median and spread, and the ratio of medians to a reference."""
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    ratio = f"  x {median(seconds) / median(reference):.2f}" if reference else ""
    print(f"  {name:<52}{median(seconds):8.2f} s  ({spread}){ratio}", flush=True)


def command_seconds(*arguments: str, env: Mapping[str, str] | None = None) -> float:
    """Return the wall seconds of a Python command in a folder of its own; it must succeed."""
    import os

    root = str(Path(__file__).resolve().parents[2])
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root, **(env or {})},
            check=True,
            capture_output=True,
        )
        return perf_counter() - began


def draw_growth(
    sizes: Sequence[float],
    measured: Sequence[float],
    *,
    expected: Sequence[float],
    label: str,
    ticks: Sequence[float],
    title: str,
    x_label: str = "",
    y_label: str,
    path: Path,
) -> None:
    """Draw what was measured against sizes as a PNG, both logarithmic, beside what is expected.

    label: what the expected values are called; ticks: the values that stand at the left.
    """
    from src.figures.style import BLUE, MUTED, new_figure, save_figure, style_axes

    figure = new_figure(width_px=480, height_px=320)
    axes = figure.add_axes((0.14, 0.16, 0.82, 0.72))
    axes.loglog(sizes, expected, color=MUTED, linestyle="--", label=label)
    axes.loglog(sizes, measured, color=BLUE, marker="o", label="measured")
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.set_yticks(ticks, [f"{value:.3g}" for value in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
    style_axes(axes, title=title, x_label=x_label, y_label=y_label)
    save_figure(figure, path)
