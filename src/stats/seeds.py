"""How good configurations are, each trained on some seeds, or on some splits of the same rows.

What a prediction is, right or wrong, depends on the seed it was trained on, on the image, and on
both: a two-way layout with one value a cell. The variance of a mean is put together from the mean
squares of such a layout (Searle 1971, Linear Models, chapter 9), and its degrees of freedom by
Satterthwaite (1946, Biometrics Bulletin 2: 110-114). How often the tests and intervals are wrong
is measured: docs/statistics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log
from typing import final

import numpy as np

from src.stats.intervals import wilson_interval

MIN_SEEDS = 3
"""Of each configuration, for a variance between seeds of its own; below, they share one."""

FEW_SEEDS = {1: 5.0, 2: 1.5, 3: 1.25}
"""By which a variance between seeds of so few degrees of freedom is raised, else 1. Satterthwaite's
approximation is too sure of those: it errs in up to 13 % of cases with one degree, 8 % with two.
With these factors it is 6 % at the most, whatever part of the variance the seeds have."""

POWER = 0.8


@final
@dataclass(frozen=True)
class MeanDifference:
    """A difference of two mean accuracies, its standard error, and the error's degrees of freedom.

    images, seeds: what of the squared error comes from the images and, as far as known, from the
    seeds; of few seeds the error allows for more.
    """

    difference: float
    error: float
    freedom: float
    images: float
    seeds: float

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        from scipy.special import stdtr

        if self.error == 0:
            return 1.0 if self.difference == 0 else 0.0
        return 2 * float(stdtr(self.freedom, -abs(self.difference) / self.error))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the interval of the difference, -1..1."""
        half = _quantile(self.freedom, confidence) * self.error
        return max(-1.0, self.difference - half), min(1.0, self.difference + half)


def seeds_difference(first: np.ndarray, second: np.ndarray, *, paired: bool) -> MeanDifference:
    """Compare two configurations over the seeds they could have had, and the images.

    first, second: bool `[S, N]`, right or wrong, a row a seed; paired: both on the same images.
    Where one has fewer than three seeds, both are taken to vary equally between seeds: what is not
    known of one is not nought. At least one has two seeds, else ValueError.
    """
    rights = (first, second)
    means = [right.mean(axis=0) for right in rights]
    if paired:
        parts = [_variance_of_mean(means[0] - means[1])]
    else:
        parts = [_variance_of_mean(mean) for mean in means]
    images = sum(part for part, _ in parts)
    known = [_between(right) for right in rights if len(right) > 1]
    if not known:
        raise ValueError("`two seeds of one configuration` must be there, but got (1, 1)")
    shares = [1 / len(right) for right in rights]
    if min(map(len, rights)) < MIN_SEEDS:
        all_free = sum(free for _, _, free in known)
        between, within = (sum(row[n] * row[2] for row in known) / all_free for n in (0, 1))
        known, shares = [(between, within, all_free)], [sum(shares)]
    seeds = [(share * row[0], row[2]) for share, row in zip(shares, known, strict=True)]
    within = sum(share * row[1] for share, row in zip(shares, known, strict=True))
    between = sum(part for part, _ in seeds)
    frees = [row[2] for row in known]
    factor = _factor(_freedom(sum(shares), list(zip(shares, frees, strict=True))))
    variance = max(images + factor * between - within, images)
    freedom = _freedom(variance, [*parts, *((factor * part, free) for part, free in seeds)])
    difference = float(means[0].mean() - means[1].mean())
    return MeanDifference(difference, variance**0.5, freedom, images, max(between - within, 0.0))


def splits_difference(
    first: Sequence[float], second: Sequence[float], *, ratio: float
) -> MeanDifference:
    """Compare accuracies on the same random splits of the same rows, two splits or more.

    ratio: validation rows by training rows. The splits share rows, so that their differences are
    not independent: Nadeau and Bengio (2003, Machine Learning 52: 239-281, corrected resampled t
    test) raise the variance of their mean from s^2 / k to s^2 (1 / k + ratio).
    """
    found = np.subtract(first, second)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(f"`two splits or more` must be there, but got {found.shape}")
    variance = float(found.var(ddof=1)) * (1 / len(found) + ratio)
    return MeanDifference(float(found.mean()), variance**0.5, len(found) - 1, 0.0, variance)


def mean_interval(right: np.ndarray, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a configuration's accuracy over seeds and images, within 0..1.

    right: bool `[S, N]`, a row a seed. Made on the scale of log odds, which knows no ends. Of one
    seed, or where all or none is right: Wilson's, over the images.
    """
    seeds, images = right.shape
    mean = float(right.mean())
    if seeds == 1 or mean in (0.0, 1.0):
        return wilson_interval(round(mean * images), images, confidence=confidence)
    over_images = _variance_of_mean(right.mean(axis=0))
    between, within, free = _between(right)
    between *= _factor(free)
    variance = max(over_images[0] + (between - within) / seeds, over_images[0])
    freedom = _freedom(variance, [over_images, (between / seeds, free)])
    half = _quantile(freedom, confidence) * variance**0.5 / (mean * (1 - mean))
    odds = log(mean / (1 - mean))
    low, high = (1 / (1 + exp(-min(max(odds + side * half, -50), 50))) for side in (-1, 1))
    return low, high


def seeds_needed(found: MeanDifference, seeds: Sequence[int]) -> tuple[int | None, float | None]:
    """Return how many seeds of each would decide a difference of the size seen, and images.

    seeds: those there are of each, more than which it is. The images as a factor on those there
    are. At the 5 % level with a power of 0.8, if what was seen is so: seeds, where the images alone
    leave room for them; else images, where the seeds do; else neither by itself.
    """
    from scipy.special import ndtri

    bound = (abs(found.difference) / float(ndtri(0.975) + ndtri(POWER))) ** 2
    of_one = found.seeds / sum(1 / number for number in seeds)
    if bound > found.images:
        wished = ceil(2 * of_one / (bound - found.images))
        return max(max(seeds) + 1, wished), None  # those there are have not decided it
    if bound > found.seeds:
        return None, found.images / (bound - found.seeds)
    return None, None


def _between(right: np.ndarray) -> tuple[float, float, int]:
    """Return the variance of the seeds' accuracies, what of it chance on images is, and freedom.

    right: bool `[S, N]`, S of 2 or more.
    """
    seeds, images = right.shape
    accuracies, by_image = right.mean(axis=1), right.mean(axis=0)
    between = float(accuracies.var(ddof=1))
    squares = float((by_image * (1 - by_image)).sum()) * seeds
    squares -= images * between * (seeds - 1)
    residual = squares / ((seeds - 1) * max(1, images - 1))
    return between, residual / images, seeds - 1


def _variance_of_mean(values: np.ndarray) -> tuple[float, int]:
    return float(values.var(ddof=1)) / len(values), len(values) - 1


def _freedom(variance: float, parts: Sequence[tuple[float, int]]) -> float:
    squares = sum(part**2 / free for part, free in parts)
    return max(1.0, variance**2 / squares) if squares else 1.0


def _factor(freedom: float) -> float:
    """Return by what a variance between seeds is raised; freedom: its degrees, were seeds alike."""
    return FEW_SEEDS.get(int(freedom), 1.0)


def _quantile(freedom: float, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2))
