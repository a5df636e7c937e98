"""`python -m docs.record.error_rates`: how often the tests and intervals are wrong, by simulation.

Writes the tables of docs/statistics.md. Predictions are drawn as right or wrong from log odds: an
image's own difficulty, shared by all, one that a configuration alone has with it, and the luck of
a seed. Two configurations drawn so are equally good, and every difference that is called is an
error of the first kind.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from math import pi
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit, ndtr, stdtrit
from scipy.stats import chi2

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
from src.stats.seeds import FEW_SEEDS, mean_interval, seeds_difference, splits_difference

PAGE = Path(__file__).resolve().parents[1] / "statistics.md"
REPEATS = 5_000
SHARED, OWN = 4.0, 1.5
"""Standard deviations of an image's difficulty in log odds: for all, and for one configuration."""
SPLITS = (3, 5, 10)
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
    Shape(10_000, 0.97, 0.005),
    Shape(10_000, 0.995, 0.001),
)
SEEDS = (
    *((2, 2), (3, 3), (5, 5), (20, 20)),
    *((2, 1), (3, 1), (5, 1), (20, 1), (2, 20), (3, 20)),
)


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


@final
@dataclass(frozen=True)
class SeedsErrors:
    """Of configurations over seeds: how often each number of seeds errs, shares of the data sets.

    called: by seeds of the two, how often equal ones are called different, which is how often the
    interval of their difference leaves 0 out. means: by seeds, how often the interval covers
    the accuracy. holm: any of three of five seeds called different.
    """

    called: dict[tuple[int, int], float]
    means: dict[int, float]
    holm: float


def seeds_errors(shape: Shape, repeats: int, pairs: tuple[tuple[int, int], ...]) -> SeedsErrors:
    """Draw configurations, and judge them by the first few of their seeds."""
    rng, three = np.random.default_rng(1), 0
    called = dict.fromkeys(pairs, 0)
    means = dict.fromkeys((2, 3, 5, 20), 0)
    for _ in range(repeats):
        a, b, c = draw(rng, shape, (20, 20, 5))
        for pair in pairs:
            found = seeds_difference(a[: pair[0]], b[: pair[1]], paired=True)
            low, high = found.interval()
            called[pair] += not low <= 0 <= high
        for seeds in means:
            low, high = mean_interval(a[:seeds])
            means[seeds] += low <= shape.accuracy <= high
        twos = ((a[:5], b[:5]), (a[:5], c), (b[:5], c))
        three += min(holm([seeds_difference(*two, paired=True).p_value for two in twos])) < ALPHA

    def shares(counts: dict) -> dict:
        return {key: count / repeats for key, count in counts.items()}

    return SeedsErrors(shares(called), shares(means), three / repeats)


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


def promotions(shape: Shape, repeats: int) -> tuple[float, float]:
    """Return how often any of ten challengers, no better than the champion, is promoted.

    With all of the level for each, and where the k-th challenge is given 6 / (pi k)^2 of it.
    """
    rng, each, spent = np.random.default_rng(5), 0, 0
    fixed = Shape(shape.images, shape.accuracy, 0.0)
    for _ in range(repeats):
        champion, *others = (right[0] for right in draw(rng, fixed, (1,) * (CHALLENGES + 1)))
        pairs = [discordance(challenger, champion) for challenger in others]
        found = [mcnemar_exact(pair) if pair.difference > 0 else 1.0 for pair in pairs]
        each += min(found) < ALPHA
        spent += any(p < ALPHA * 6 / (pi * k) ** 2 for k, p in enumerate(found, start=1))
    return each / repeats, spent / repeats


def verdicts(shape: Shape, repeats: int) -> dict[int, float]:
    """Return how often a sweep's t interval covers the mean on these very images, by seeds."""
    rng, covered = np.random.default_rng(6), {3: 0, 5: 0}
    centre, luck = log_odds(shape)
    nodes, weights = hermegauss(7)
    for _ in range(repeats):
        own = centre + np.hypot(SHARED, OWN) * rng.standard_normal(shape.images, dtype=np.float32)
        odds = own + luck * rng.standard_normal((5, 1), dtype=np.float32)
        right = rng.random((5, shape.images), dtype=np.float32) < expit(odds)
        at_nodes = [expit(own + luck * node).mean() for node in nodes]
        mean = np.average(at_nodes, weights=weights)
        for seeds in covered:
            low, high = t_interval(right[:seeds].mean(axis=1))
            covered[seeds] += low <= mean <= high
    return {seeds: count / repeats for seeds, count in covered.items()}


def splits_errors(rows: int, share: float, splits: int, repeats: int) -> tuple[float, float]:
    """Return how often equally good ways to learn are called different over splits.

    By the t test as if splits were independent, and by the corrected one. Learnt are the means of
    two classes, by one from ten features of a row, by the other from ten others, equally telling.
    share: of the rows that validate.
    """
    rng, plain, corrected = np.random.default_rng(7), 0, 0
    validating = round(rows * share)
    for _ in range(repeats):
        labels = rng.choice((-1.0, 1.0), size=rows)
        held = rng.permuted(np.tile(np.arange(rows) < validating, (splits, 1)), axis=1)
        accuracies = []
        for _ in range(2):
            features = rng.standard_normal((rows, 10)) + labels[:, None] * 1.645 / 10**0.5
            learnt = (~held * labels) @ features
            right = (features @ learnt.T).T * labels > 0
            accuracies.append((right & held).sum(axis=1) / validating)
        for ratio in (0.0, validating / (rows - validating)):
            wrong = splits_difference(*accuracies, ratio=ratio).p_value < ALPHA
            plain, corrected = plain + (wrong and not ratio), corrected + (wrong and ratio > 0)
    return plain / repeats, corrected / repeats


def worst_error(freedom: int, factor: float) -> float:
    """Return how often a test goes wrong at the worst ratio of the seeds' variance to the images'.

    freedom: degrees of it of the variance between seeds, which is raised by `factor`; the images'
    is known. Integrated over that variance's chi-squared distribution.
    """
    seen = chi2.ppf((np.arange(4_000) + 0.5) / 4_000, freedom) / freedom
    wrong = []
    for ratio in np.geomspace(0.05, 200, 60):
        raised = ratio * seen * factor
        degrees = np.maximum(1, (1 + raised) ** 2 / (raised**2 / freedom))
        half = stdtrit(degrees, 1 - ALPHA / 2) * (1 + raised) ** 0.5
        wrong.append(2 * ndtr(-half / (1 + ratio) ** 0.5).mean())
    return float(max(wrong))


def tables(repeats: int, over: Callable[..., Iterable]) -> Iterator[tuple[str, str]]:
    """Yield the name of every table of the page with its text; over: maps over cells, as `map`."""
    found_by_shape = over(partial(seeds_errors, repeats=repeats, pairs=SEEDS), SHAPES)
    seeds: dict[Shape, SeedsErrors] = dict(zip(SHAPES, found_by_shape, strict=True))
    rows = [
        f"| {shape} | " + " | ".join(f"{found.called[pair]:.3f}" for pair in SEEDS) + " |"
        for shape, found in seeds.items()
    ]
    yield "configurations", _table([f"{a} against {b}" for a, b in SEEDS], rows)
    rows = []
    for freedom in range(1, 6):
        factor = FEW_SEEDS.get(freedom, 1.0)
        rates = f"{worst_error(freedom, 1.0):.3f} | {worst_error(freedom, factor):.3f}"
        rows.append(f"| {freedom} | {factor:g} | {rates} |")
    names = ("degrees of freedom", "factor")
    yield "factors", _table(("as it is", "raised by the factor"), rows, names=names)
    rows = [
        f"| {shape} | " + " | ".join(f"{found.means[n]:.3f}" for n in (2, 3, 5, 20)) + " |"
        for shape, found in seeds.items()
    ]
    yield "means", _table([f"{n} seeds" for n in (2, 3, 5, 20)], rows)
    tests = ("McNemar", "bootstrap", "Fisher", "Newcombe", "Wilson")
    models = over(partial(two_models, repeats=repeats), SHAPES)
    rows = [
        f"| {shape} | " + " | ".join(f"{rate:.3f}" for rate in found.values()) + " |"
        for shape, found in zip(SHAPES, models, strict=True)
    ]
    yield "models", _table(tests, rows)
    rows = []
    promoted = over(partial(promotions, repeats=repeats), SHAPES)
    judged = over(partial(verdicts, repeats=repeats), SHAPES)
    for shape, promotion, verdict in zip(SHAPES, promoted, judged, strict=True):
        cells = (seeds[shape].holm, *promotion, *verdict.values())
        rows.append(f"| {shape} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    heads = ("Holm", "promotion, 5 % each", "promotion", "verdict, 3 seeds", "verdict, 5 seeds")
    yield "procedures", _table(heads, rows)
    rows = []
    cells_of = list(itertools.product((500, 2_000), (0.1, 0.2), SPLITS))
    over_splits = iter(over(splits_errors, *zip(*cells_of, strict=True), [repeats] * len(cells_of)))
    for number, share in itertools.product((500, 2_000), (0.1, 0.2)):
        found_over = itertools.islice(over_splits, len(SPLITS))
        said = " | ".join(f"{plain:.3f}, {corrected:.3f}" for plain, corrected in found_over)
        rows.append(f"| {number:,} | {share:g} | {said} |")
    yield (
        "splits",
        _table([f"{n} splits" for n in SPLITS], rows, names=("rows", "validation share")),
    )


def _table(
    heads: Iterable[str],
    rows: list[str],
    names: tuple[str, ...] = ("images", "accuracy", "spread"),
) -> str:
    columns = (*names, *heads)
    rule = "| " + " | ".join("---" for _ in columns) + " |"
    return "\n".join([f"| {' | '.join(columns)} |", rule, *rows])


def main(repeats: int, say: Callable[[str], None] = print) -> None:
    """Simulate, and write the page."""
    began, made = perf_counter(), {}
    with ProcessPoolExecutor() as pool:
        for name, table in tables(repeats, pool.map):
            made[name] = table
            say(f"{name}: {perf_counter() - began:.0f} s")
    text = PAGE.read_text(encoding="utf-8")
    text = BLOCK.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n\n{found[3]}", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
