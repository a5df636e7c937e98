"""Whether two accuracies differ: intervals, tests and sample sizes; numbers in, numbers out.

All differences are the second classifier's accuracy taken from the first's, as shares of 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from src.stats.intervals import wilson_interval

RESAMPLES = 10_000


@final
@dataclass(frozen=True)
class Discordance:
    """How often two classifiers disagree on the same images: on `images`, one alone is right."""

    only_first: int
    only_second: int
    images: int

    @property
    def difference(self) -> float:
        """The first accuracy less the second, -1..1."""
        return (self.only_first - self.only_second) / self.images


def discordance(first: np.ndarray, second: np.ndarray) -> Discordance:
    """Count the disagreements of two classifiers; bool `[N]` each, right or wrong on an image."""
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"needs two bool [N], N > 0, got shapes {first.shape}, {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return Discordance(only_first, only_second, len(first))


def mcnemar_exact(counts: Discordance) -> float:
    """Return the two-sided p-value of equal accuracies, 0..1 (McNemar 1947, exact binomial form).

    Given the images that only one gets right, each of the two is as likely to be it; twice the
    smaller tail, at most 1. Without such images: 1.
    """
    from scipy.special import bdtr

    n = counts.only_first + counts.only_second
    if n == 0:
        return 1.0
    return float(min(1.0, 2 * bdtr(min(counts.only_first, counts.only_second), n, 0.5)))


def paired_bootstrap(
    counts: Discordance, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the difference, resampling images (Efron 1979).

    A resample of the images is a multinomial draw of the three things that an image can say:
    only the first is right, only the second, no difference. Where no image says a difference the
    bootstrap knows none; the interval then is what so many silent images still allow (the exact
    interval of an event never seen, Clopper and Pearson 1934).
    """
    tail = (1 - confidence) / 2
    if counts.only_first + counts.only_second == 0:
        most = 1 - tail ** (1 / counts.images)
        return -most, most
    silent = counts.images - counts.only_first - counts.only_second
    shares = np.array([counts.only_first, counts.only_second, silent]) / counts.images
    draws = np.random.default_rng(seed).multinomial(counts.images, shares, size=resamples)
    differences = (draws[:, 0] - draws[:, 1]) / counts.images
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)


def images_needed(counts: Discordance, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Return how many images show a difference of the size seen, None where none was seen.

    Total number at which McNemar's test at level `alpha` finds it with probability `power`
    (Connor 1987, Biometrics 43: 207-211, equation 2), if the shares stay as they are.
    """
    from scipy.special import ndtri

    if counts.only_first == counts.only_second:
        return None
    discordant = (counts.only_first + counts.only_second) / counts.images
    difference = abs(counts.difference)
    z_alpha, z_power = float(ndtri(1 - alpha / 2)), float(ndtri(power))
    spread = z_alpha * discordant**0.5 + z_power * max(0.0, discordant - difference**2) ** 0.5
    return int(np.ceil((spread / difference) ** 2))


def newcombe_interval(
    first: tuple[int, int], second: tuple[int, int], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference of two independent shares, each (correct, total).

    Newcombe 1998, Statistics in Medicine 17: 873-890, method 10: from the two Wilson intervals.
    """
    (low_1, high_1), (low_2, high_2) = (
        wilson_interval(correct, total, confidence=confidence) for correct, total in (first, second)
    )
    share_1, share_2 = first[0] / first[1], second[0] / second[1]
    difference = share_1 - share_2
    below = ((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2) ** 0.5
    above = ((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2) ** 0.5
    return difference - below, difference + above


def fisher_exact(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the two-sided p-value of equal shares, each (correct, total) (Fisher 1935)."""
    from scipy.stats import fisher_exact as exact

    table = [[correct, total - correct] for correct, total in (first, second)]
    return float(exact(table).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for being several (Holm 1979), in the order given."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def clearly_behind(values: Sequence[Sequence[float]]) -> list[bool]:
    """Tell which candidates are behind the one with the best mean, by more than chance explains.

    values: of each candidate so far, none where there are none; more is better. Clearly: by a
    one-sided t test at 99 % with one spread for all, from two degrees of freedom on.
    """
    from scipy.special import stdtrit

    known = [np.asarray(some, dtype=np.float64) for some in values if some]
    freedom = sum(len(some) - 1 for some in known)
    if freedom < 2:
        return [False] * len(values)
    spread = (sum(float(((some - some.mean()) ** 2).sum()) for some in known) / freedom) ** 0.5
    best = max(known, key=lambda some: float(some.mean()))
    bound = float(stdtrit(freedom, 0.99)) * spread
    return [
        bool(some)
        and float(best.mean() - np.mean(some)) > bound * (1 / len(best) + 1 / len(some)) ** 0.5
        for some in values
    ]
