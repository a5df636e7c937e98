"""Intervals of proportions and means: numbers in, numbers out."""

from collections.abc import Sequence

import numpy as np


def wilson_interval(correct: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion, both ends in 0..1 (Wilson 1927, score interval).

    No observations (`total` 0) tell nothing: (0, 1).
    """
    from scipy.special import ndtri

    if not 0 <= correct <= total:
        raise ValueError(f"`0 <= correct <= total` must hold, but got ({correct=}, {total=})")
    if total == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + confidence / 2))
    share = correct / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    variance = share * (1 - share) / total + z * z / (4 * total * total)
    half_width = z * variance**0.5 / (1 + z * z / total)
    low = 0.0 if correct == 0 else centre - half_width
    high = 1.0 if correct == total else centre + half_width
    return low, high


def t_interval(
    values: Sequence[float] | np.ndarray, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the mean of independent, roughly normal values (Student 1908).

    Fewer than two values have no spread to judge by: (nan, nan).
    """
    from scipy.special import stdtrit

    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        return float("nan"), float("nan")
    t = float(stdtrit(len(sample) - 1, 0.5 + confidence / 2))
    half_width = t * float(sample.std(ddof=1)) / len(sample) ** 0.5
    mean = float(sample.mean())
    return mean - half_width, mean + half_width
