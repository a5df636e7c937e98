"""What a search's trials say of the search itself, each with what to do; only what is true.

How often it is said where it is so, and where it is not: tests/search/test_advice.py.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from src.search.settings import Objective
from src.search.study import FINISHED, curve, ranked
from src.stats.differences import clearly_behind

TRIALS_PER_DIMENSION = 10
"""Loeppky, Sacks and Welch 2009, "Choosing the sample size of a computer experiment"."""


def read_search(
    trials: Sequence[FrozenTrial],
    by: Objective,
    *,
    fresh: Mapping[int, Sequence[float]],
    reached: bool,
) -> list[str]:
    """Return all there is to say of a search of one objective.

    trials: in the order they ended. fresh: see `indistinct`. reached: the target was, so the search
    was long enough.
    """
    stale = nothing_better(trials, by)
    return [
        *at_an_edge(trials, by),
        *stale,
        *([] if stale or reached else too_few(trials)),
        *still_improving(trials, by),
        *overfitted(trials, by),
        *indistinct(trials, by, fresh),
    ]


def at_an_edge(trials: Sequence[FrozenTrial], by: Objective) -> list[str]:
    """Say which ranges are best at an end beyond which they could go on.

    There the best fifth of the trials lie, trials nearer to it are better (rank correlation,
    Spearman 1904, at 5 % over all ranges), and a parabola through the better ones still rises; a
    line where they have but two places.
    """
    from scipy.stats import spearmanr

    found = {}
    best_first = ranked(trials, sign=by.sign)
    ranges: dict[str, Any] = {name: d for t in best_first for name, d in t.distributions.items()}
    for name, drawn in ranges.items():
        known = [t for t in best_first if name in t.params]
        if isinstance(drawn, CategoricalDistribution) or len(known) < 10 or drawn.single():
            continue
        values = np.array([drawn.low, drawn.high, *(t.params[name] for t in known)])
        values = np.log(values) if drawn.log else values
        places = (values[2:] - values[0]) / (values[1] - values[0])
        top = float(places[: max(5, len(known) // 5)].mean())
        end, others = ("high", places) if top > 0.5 else ("low", 1 - places)
        scores = np.array([by.sign * t.values[0] for t in known])
        better = len(known) * 2 // 3  # ranked; far off, values follow no parabola
        different = len(np.unique(others[:better]))
        if different < 2 or not np.ptp(scores):
            continue
        clear = spearmanr(others, scores, alternative="greater").pvalue < 0.05 / len(ranges)
        fitted = Polynomial.fit(others[:better], scores[:better], min(2, different - 1))
        rising = fitted.deriv()(1) > 0  # at the end
        if 0.2 < top < 0.8 or not clear or not rising or _natural(drawn, end):
            continue
        key = re.sub(r"\.\d+$", ".width", name)
        found[key, end] = (
            f"`{name}` is best at the {end} end of its range, {getattr(drawn, end):g}: "
            f"widen `{end}` of `{key}` in the space, and start again with fresh=true"
        )
    return list(found.values())


def too_few(trials: Sequence[FrozenTrial]) -> list[str]:
    """Say that there are fewer than ten trials for each number that a trial draws."""
    finished = _finished(trials)
    drawn = round(mean(len(t.params) for t in finished)) if finished else 0
    wanted = TRIALS_PER_DIMENSION * drawn
    said = (
        f"{len(finished)} trials are few for {drawn} hyperparameters: resume with n_trials={wanted}"
    )
    return [f"{said}, ten for each, or search fewer"] if len(finished) < wanted else []


def still_improving(trials: Sequence[FrozenTrial], by: Objective) -> list[str]:
    """Say that the best trials were still improving when they ended.

    In the last third of their epochs more pairs rise than fall (Mann 1945, at 1 %), and the second
    half of it is nearer to perfect by a fiftieth or more.
    """
    curves = [curve(trial) for trial in ranked(trials, sign=by.sign)]
    longest = max(map(len, curves[:5]), default=0)
    lasts = [c[-max(4, longest // 3) :] for c in curves[:5] if len(c) == longest]
    if longest < 5:
        return []
    size = len(lasts[0])
    rises = sum(np.sign(by.sign * (b - a)) for last in lasts for a, b in combinations(last, 2))
    chance = (len(lasts) * size * (size - 1) * (2 * size + 5) / 18) ** 0.5
    gain = by.sign * float(np.mean([mean(c[-(size // 2) :]) - mean(c[: size // 2]) for c in lasts]))
    left = abs((by.metric == "val_accuracy") - float(np.mean([last[-1] for last in lasts])))
    if rises < 2.33 * chance or gain < left / 50:
        return []
    return [
        f"The best networks were still improving in their last epoch, {longest}: train longer, for "
        f"instance trainer.max_epochs={2 * longest}"
    ]


def overfitted(trials: Sequence[FrozenTrial], by: Objective) -> list[str]:
    """Say that the best trials err on training images less than half as often as on validation."""
    known = [t for t in ranked(trials, sign=by.sign)[:5] if "train_accuracy" in t.user_attrs]
    if not known:
        return []
    train = median(t.user_attrs["train_accuracy"] for t in known)
    validation = median(t.user_attrs["val_accuracy"] for t in known)
    if validation > train - 0.01 or 1 - validation < 2 * (1 - train):
        return []
    return [
        f"The best networks are right on {train:.1%} of the training images, {validation:.1%} of "
        "the validation images: try more regularization, for instance regularization=augment"
    ]


def nothing_better(trials: Sequence[FrozenTrial], by: Objective) -> list[str]:
    """Say that nothing better came in the last two thirds of the search, 15 trials or more."""
    finished, best = _finished(trials), ranked(trials, sign=by.sign)
    since = len(finished) - 1 - finished.index(best[0]) if best else 0
    if since < max(15, 2 / 3 * len(finished)):
        return []
    return [
        f"Nothing better since trial {best[0].number}, in {since} trials: more of the same will "
        "hardly help; search another space, or train longer"
    ]


def indistinct(
    trials: Sequence[FrozenTrial], by: Objective, fresh: Mapping[int, Sequence[float]]
) -> list[str]:
    """Say which of the confirmed trials is the smallest or fastest of those equally good.

    fresh: values on fresh seeds by trial. Equally good is who was trained on as many seeds as any,
    not given up before, and is not clearly behind the best mean.
    """
    seeds = max([2, *map(len, fresh.values())])
    several = {number: values for number, values in fresh.items() if len(values) == seeds}
    behind = clearly_behind([[by.sign * v for v in values] for values in several.values()])
    equal = {number for number, is_behind in zip(several, behind, strict=True) if not is_behind}
    known = [t for t in trials if t.number in equal]
    if len(known) < 2:
        return []
    sizes = {t.user_attrs["parameters"] for t in known}
    what, word = ("parameters", "smallest") if len(sizes) > 1 else ("seconds", "fastest")
    least = min(known, key=lambda t: t.user_attrs[what])
    return [
        f"The best {len(known)} configurations cannot be told apart on fresh seeds: take the "
        f"{word} of them, trial {least.number} ({least.user_attrs[what]:,.0f} {what})"
    ]


def _finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in trials if t.state in FINISHED]


def _natural(drawn: object, end: str) -> bool:
    """Tell whether a range can hardly go on beyond its end: no layer, a share above 1."""
    bound = getattr(drawn, end)
    return bound in (0, 1) if end == "low" else bound == 1
