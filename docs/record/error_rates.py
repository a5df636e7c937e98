"""`python -m docs.record.error_rates`: how often the tests and intervals are wrong, by simulation.

Writes the tables of docs/statistics.md. Predictions are drawn as right or wrong from log odds: an
image's own difficulty, shared by all, one that a configuration alone has with it, and the luck of
a seed. Two configurations drawn so are equally good, and every difference that is called is an
error of the first kind.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import pi
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit

from docs.record.document import BLOCK
from src.stats.differences import (
    discordance,
    fisher_exact,
    holm,
    mcnemar_exact,
    newcombe_interval,
    paired_bootstrap,
)
from src.stats.intervals import t_interval, wilson_interval
from src.stats.seeds import mean_interval, seeds_difference

PAGE = Path(__file__).resolve().parents[1] / "statistics.md"
REPEATS = 5_000
SHARED, OWN = 4.0, 1.5
"""Standard deviations of an image's difficulty in log odds: for all, and for one configuration."""
ALPHA = 0.05
CHALLENGES = 10


@final
@dataclass(frozen=True)
class Shape:
    """What is compared: images, mean accuracy and its standard deviation over seeds (shares)."""

    images: int
    accuracy: float
    spread: float

    def __str__(self) -> str:
        return f"{self.images:,} | {self.accuracy:g} | {self.spread:g}"


SHAPES = (
    Shape(359, 0.90, 0.005),
    Shape(359, 0.97, 0.0029),
    Shape(2_000, 0.97, 0.0029),
    Shape(5_000, 0.97, 0.0005),
    Shape(5_000, 0.97, 0.0029),
    Shape(10_000, 0.97, 0.0029),
    Shape(10_000, 0.995, 0.001),
)
SEEDS = ((2, 2), (3, 3), (5, 5), (20, 20), (2, 1), (3, 1), (5, 1), (20, 1), (2, 20))


@cache
def log_odds(shape: Shape) -> tuple[float, float]:
    """Return the mean log odds of such an accuracy, and the seeds' standard deviation in them."""
    drawn = np.random.default_rng(0).normal(size=200_000) * np.hypot(SHARED, OWN)

    def accuracy(centre: float) -> float:
        return float(expit(centre + drawn).mean())

    centre = float(brentq(lambda c: accuracy(c) - shape.accuracy, -20, 40))
    slope = (accuracy(centre + 0.01) - accuracy(centre - 0.01)) / 0.02
    return centre, shape.spread / slope


def draw(
    rng: np.random.Generator, shape: Shape, seeds: tuple[int, ...], *, paired: bool = True
) -> list[np.ndarray]:
    """Return of each configuration bool `[S, N]`, right or wrong, a row a seed."""
    centre, luck = log_odds(shape)
    shared = SHARED * rng.standard_normal(shape.images, dtype=np.float32)
    rights = []
    for number in seeds:
        if not paired:
            shared = SHARED * rng.standard_normal(shape.images, dtype=np.float32)
        own = centre + shared + OWN * rng.standard_normal(shape.images, dtype=np.float32)
        odds = own + luck * rng.standard_normal((number, 1), dtype=np.float32)
        rights.append(rng.random((number, shape.images), dtype=np.float32) < expit(odds))
    return rights


def seeds_errors(shape: Shape, seeds: tuple[int, int], repeats: int) -> tuple[float, float]:
    """Return how often equal configurations are called different, and what the interval covers."""
    rng, called, covered = np.random.default_rng(1), 0, 0
    for _ in range(repeats):
        found = seeds_difference(*draw(rng, shape, seeds), paired=True)
        low, high = found.interval()
        called += found.p_value < ALPHA
        covered += low <= 0 <= high
    return called / repeats, covered / repeats


def mean_coverage(shape: Shape, seeds: int, repeats: int) -> float:
    """Return how often the interval of one configuration covers its accuracy."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(repeats):
        [right] = draw(rng, shape, (seeds,))
        low, high = mean_interval(right)
        covered += low <= shape.accuracy <= high
    return covered / repeats


def two_models(shape: Shape, repeats: int) -> dict[str, float]:
    """Return error rates for two models trained once, equally good on the images there could be."""
    rng = np.random.default_rng(3)
    fixed = Shape(shape.images, shape.accuracy, 0.0)
    counts = {"McNemar": 0, "bootstrap": 0, "Fisher": 0, "Newcombe": 0, "Wilson": 0}
    for _ in range(repeats):
        one, other = (right[0] for right in draw(rng, fixed, (1, 1)))
        pair = discordance(one, other)
        low, high = paired_bootstrap(pair, resamples=1_000)
        counts["McNemar"] += mcnemar_exact(pair) < ALPHA
        counts["bootstrap"] += low <= 0 <= high
        low, high = wilson_interval(int(one.sum()), len(one))
        counts["Wilson"] += low <= shape.accuracy <= high
        shares = [(int(r.sum()), r.size) for r in draw(rng, fixed, (1, 1), paired=False)]
        low, high = newcombe_interval(*shares)
        counts["Fisher"] += fisher_exact(*shares) < ALPHA
        counts["Newcombe"] += low <= 0 <= high
    return {name: count / repeats for name, count in counts.items()}


def three_contenders(shape: Shape, repeats: int) -> float:
    """Return how often any of three equal configurations of 5 seeds is called different (Holm)."""
    rng, called = np.random.default_rng(4), 0
    for _ in range(repeats):
        a, b, c = draw(rng, shape, (5, 5, 5))
        pairs = [seeds_difference(*two, paired=True).p_value for two in ((a, b), (a, c), (b, c))]
        called += min(holm(pairs)) < ALPHA
    return called / repeats


def promotions(shape: Shape, repeats: int, *, spent: bool) -> float:
    """Return how often any of ten challengers, no better than the champion, is promoted.

    spent: the k-th challenge is given 6 / (pi k)^2 of the level, else each has all of it.
    """
    rng, wrong = np.random.default_rng(5), 0
    fixed = Shape(shape.images, shape.accuracy, 0.0)
    for _ in range(repeats):
        champion, *others = (right[0] for right in draw(rng, fixed, (1,) * (CHALLENGES + 1)))
        for number, challenger in enumerate(others, start=1):
            pair = discordance(challenger, champion)
            level = ALPHA * 6 / (pi * number) ** 2 if spent else ALPHA
            if pair.difference > 0 and mcnemar_exact(pair) < level:
                wrong += 1
                break
    return wrong / repeats


def verdicts(shape: Shape, seeds: int, repeats: int) -> float:
    """Return how often a sweep's t interval over seeds covers the mean on these very images."""
    rng, covered = np.random.default_rng(6), 0
    centre, luck = log_odds(shape)
    nodes, weights = hermegauss(7)
    for _ in range(repeats):
        own = centre + np.hypot(SHARED, OWN) * rng.standard_normal(shape.images, dtype=np.float32)
        odds = own + luck * rng.standard_normal((seeds, 1), dtype=np.float32)
        right = rng.random((seeds, shape.images), dtype=np.float32) < expit(odds)
        at_nodes = [expit(own + luck * node).mean() for node in nodes]
        low, high = t_interval(right.mean(axis=1))
        covered += low <= np.average(at_nodes, weights=weights) <= high
    return covered / repeats


def tables(repeats: int) -> Iterator[tuple[str, str]]:
    """Yield the name of every table of the page with its text."""
    rows = []
    for shape in SHAPES:
        cells = [seeds_errors(shape, seeds, repeats) for seeds in SEEDS]
        rows.append(f"| {shape} | " + " | ".join(f"{e:.3f}, {c:.3f}" for e, c in cells) + " |")
    yield "configurations", _table([f"{a} against {b}" for a, b in SEEDS], rows)
    rows = [
        f"| {shape} | "
        + " | ".join(f"{mean_coverage(shape, n, repeats):.3f}" for n in (2, 3, 5, 20))
        + " |"
        for shape in SHAPES
    ]
    yield "means", _table([f"{n} seeds" for n in (2, 3, 5, 20)], rows)
    names = ("McNemar", "bootstrap", "Fisher", "Newcombe", "Wilson")
    rows = []
    for shape in SHAPES:
        found = two_models(shape, repeats)
        rows.append(f"| {shape} | " + " | ".join(f"{found[name]:.3f}" for name in names) + " |")
    yield "models", _table(names, rows)
    rows = [
        f"| {shape} | {three_contenders(shape, repeats):.3f} | "
        f"{promotions(shape, repeats, spent=False):.3f} | "
        f"{promotions(shape, repeats, spent=True):.3f} | {verdicts(shape, 3, repeats):.3f} | "
        f"{verdicts(shape, 5, repeats):.3f} |"
        for shape in SHAPES
    ]
    heads = ("Holm", "promotion, 5 % each", "promotion", "verdict, 3 seeds", "verdict, 5 seeds")
    yield "procedures", _table(heads, rows)


def _table(heads: tuple[str, ...] | list[str], rows: list[str]) -> str:
    names = ("images", "accuracy", "spread", *heads)
    rule = "| " + " | ".join("---" for _ in names) + " |"
    return "\n".join([f"| {' | '.join(names)} |", rule, *rows])


def main(repeats: int, say: Callable[[str], None] = print) -> None:
    """Simulate, and write the page."""
    began, made = perf_counter(), {}
    for name, table in tables(repeats):
        made[name] = table
        say(f"{name}: {perf_counter() - began:.0f} s")
    text = PAGE.read_text(encoding="utf-8")
    text = BLOCK.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
