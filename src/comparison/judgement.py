"""How good each contender is, which of two is better, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Literal, final

import numpy as np

from src.comparison.contenders import Contender, Selection
from src.stats import differences
from src.stats.differences import Discordance, discordance
from src.stats.scores import log_loss
from src.stats.seeds import MeanDifference, mean_interval, seeds_difference, seeds_needed
from src.tracking.queries import StoredRuns

ALPHA = 0.05
SMALLEST_P = 1e-6
Method = Literal["McNemar", "seeds and images", "Fisher", "splits"]
Answer = Literal["better", "worse", "equivalent", "undecided"]
OF_MODELS = {"McNemar", "Fisher"}
"""Tests that speak of two trained models, not of their configurations."""


@final
@dataclass(frozen=True)
class Predictions:
    """A contender's stored predictions of the same images, one row a seed.

    labels: int64 `[N]`. probabilities: float32 `[S, N, K]`. images: what identifies the images.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    images: str

    @property
    def classes(self) -> np.ndarray:
        """The predicted classes, int64 `[S, N]`."""
        return np.asarray(self.probabilities.argmax(axis=2))

    @property
    def right(self) -> np.ndarray:
        """Whether each prediction is right, bool `[S, N]`."""
        return np.asarray(self.classes == self.labels)


@final
@dataclass(frozen=True)
class ContenderScore:
    """Accuracy of a contender with its 95 % interval, and log loss in nats.

    Of one run: accuracy with Wilson's interval over images. Of several seeds: their mean with an
    interval over seeds and images, and the mean log loss. seeds: the accuracy of each.
    """

    accuracy: float
    low: float
    high: float
    seeds: tuple[float, ...]
    log_loss: float
    images: int


@final
@dataclass(frozen=True)
class PairwiseResult:
    """What the images say of two contenders, by their places: the first less the second.

    p_value is as the test gave it, p_holm corrected for the number of pairs. within: how far from
    nothing the 90 % interval goes. margin: within which two are equivalent; shares, as all here.
    counts: images that only one gets right, None where they did not see the same, or of several
    seeds. hint: what would decide an undecided pair, empty where that has no answer.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    within: float
    method: Method
    counts: Discordance | None
    hint: str
    margin: float = 0.0

    @property
    def answer(self) -> Answer:
        """What is said of the first against the second.

        Equivalent: two one-sided tests (Schuirmann 1987) keep the difference within the margin.
        Better or worse: at the 5 % level.
        """
        if self.within < self.margin:
            return "equivalent"
        if self.p_holm >= ALPHA:
            return "undecided"
        return "better" if self.difference > 0 else "worse"

    @property
    def decided(self) -> bool:
        """Whether one of them is better."""
        return self.answer in {"better", "worse"}


def load_predictions(
    stored: StoredRuns, selection: Selection, folder: Path
) -> tuple[Predictions, ...]:
    """Read every contender's predictions; folder: to put the files into."""
    found: list[Predictions] = []
    for contender in selection.contenders:
        file = f"predictions/{selection.split}.npz"
        files = [np.load(stored.file(run.id, file, folder)) for run in contender.runs]
        found.append(
            Predictions(
                labels=files[0]["labels"],
                probabilities=np.stack([one["probabilities"] for one in files]),
                class_names=tuple(map(str, files[0]["class_names"])),
                images=selection.images(contender),
            )
        )
    return tuple(found)


def contender_score(predictions: Predictions) -> ContenderScore:
    """Score one contender."""
    right, labels = predictions.right, predictions.labels
    accuracies = right.mean(axis=1)
    low, high = mean_interval(right)
    return ContenderScore(
        accuracy=float(accuracies.mean()),
        low=low,
        high=high,
        seeds=tuple(accuracies.tolist()),
        log_loss=mean(log_loss(some, labels) for some in predictions.probabilities),
        images=len(labels),
    )


def judge(predictions: Sequence[Predictions], *, margin: float = 0.0) -> tuple[PairwiseResult, ...]:
    """Compare all pairs; more than one are corrected for being several (Holm 1979).

    margin: share of the images by which two may differ and are equivalent.
    """
    pairs = [
        _pair(first, second, predictions[first], predictions[second])
        for first, second in combinations(range(len(predictions)), 2)
    ]
    return corrected(pairs, margin=margin)


def corrected(pairs: Sequence[PairwiseResult], *, margin: float) -> tuple[PairwiseResult, ...]:
    """Return the pairs with p-values corrected for being several, and their margin."""
    p_values = differences.holm([pair.p_value for pair in pairs])
    return tuple(
        replace(pair, p_holm=p, margin=margin) for pair, p in zip(pairs, p_values, strict=True)
    )


def winner(pairs: Sequence[PairwiseResult]) -> int | None:
    """Return the place of the contender that surely beats every other one, if there is such."""
    better = [pair.first if pair.difference > 0 else pair.second for pair in pairs if pair.decided]
    others = max((pair.second for pair in pairs), default=0)
    return next((place for place in better if better.count(place) == others), None)


def _pair(first: int, second: int, one: Predictions, other: Predictions) -> PairwiseResult:
    paired = one.images == other.images
    if len(one.right) > 1 or len(other.right) > 1:
        found = seeds_difference(one.right, other.right, paired=paired)
        hint = _more_seeds(found, one, other)
        return of_means(first, second, found, method="seeds and images", hint=hint)
    if paired:
        counts = discordance(one.right[0], other.right[0])
        difference, p_value = counts.difference, differences.mcnemar_exact(counts)
        wide = differences.paired_bootstrap(counts)
        narrow = differences.paired_bootstrap(counts, confidence=0.9)
        hint = _more_images(differences.images_needed(counts), counts.images)
    else:
        counts, hint = None, ""
        shares = [(int(right.sum()), right.size) for right in (one.right, other.right)]
        difference = float(one.right.mean() - other.right.mean())
        p_value = differences.fisher_exact(*shares)
        wide = differences.newcombe_interval(*shares)
        narrow = differences.newcombe_interval(*shares, confidence=0.9)
    within = max(map(abs, narrow))
    method: Method = "McNemar" if paired else "Fisher"
    return PairwiseResult(
        first, second, difference, *wide, p_value, p_value, within, method, counts, hint
    )


def of_means(
    first: int, second: int, found: MeanDifference, *, method: Method, hint: str = ""
) -> PairwiseResult:
    """Return what a difference of means says of two contenders, by their places."""
    within, p_value = max(map(abs, found.interval(0.9))), found.p_value
    seen = found.difference, *found.interval(), p_value, p_value
    return PairwiseResult(first, second, *seen, within, method, None, hint)


def _more_images(needed: int | None, images: int) -> str:
    """Say how many images more would decide; nothing where only a correction is in the way."""
    if needed is None or needed <= images:
        return ""
    return f"about {_round_up(needed - images):,} more images would"


def _more_seeds(found: MeanDifference, one: Predictions, other: Predictions) -> str:
    seeds, times = seeds_needed(found, [len(one.right), len(other.right)])
    if seeds is not None:
        return f"about {_round_up(seeds):,} seeds of each would"
    if times is not None:
        return f"about {_round_up(ceil(times * len(one.labels))):,} images would"
    return "more seeds and more images would"


def sentence(
    pair: PairwiseResult,
    contenders: Sequence[Contender],
    *,
    images: Sequence[int],
    caveat: bool = True,
) -> str:
    """Return what a pair says, in plain words.

    images: how many each of the two was judged by. caveat: whether to say what single runs mean.
    """
    first, second = (contenders[place] for place in (pair.first, pair.second))
    forwards = pair.difference >= 0
    better, worse = (first, second) if forwards else (second, first)
    low, high = (pair.low, pair.high) if forwards else (-pair.high, -pair.low)
    size = points(abs(pair.difference))
    interval = f"95 % interval {points(low)} to {points(high)}"
    of_models = caveat and pair.method in OF_MODELS
    of_these = "; one run of each says nothing about other seeds" if of_models else ""
    if pair.answer == "equivalent":
        return (
            f"{named(first)} and {named(second)} are equivalent within {points(pair.margin)} "
            f"points (they differ by {size}, 90 % interval within {points(pair.within)})"
            f"{of_these}"
        )
    if pair.decided:
        return (
            f"{named(better)} beats {named(worse)} by {size} points ({interval}), "
            f"{p_text(pair.p_holm)}{of_these}"
        )
    number = " and ".join(f"{n:,}" for n in dict.fromkeys(images))
    hint = f"; if the difference is real, {pair.hint} decide it" if pair.hint else ""
    ahead = f"{named(better)} is ahead of {named(worse)} by {size} points"
    if abs(pair.difference) < 1e-12:
        ahead, hint = f"{named(first)} and {named(second)} have the same accuracy", ""
    return (
        f"undecided: {ahead} on {number} images ({interval}), {p_text(pair.p_holm)}{of_these}{hint}"
    )


def named(contender: Contender) -> str:
    """Return the label, with the number of seeds where there are several."""
    seeds = len(contender.runs)
    return f"{contender.label} ({seeds} seeds)" if seeds > 1 else contender.label


def points(share: float) -> str:
    """Return a difference of shares in percentage points: 5.9, or 0.12 below one point."""
    digits = 1 if abs(share) >= 0.0095 else 2
    value = round(100 * share, digits) + 0.0  # which turns -0.0 into 0.0
    return f"{value:.{digits}f}".replace("-", "−")


def p_text(p_value: float) -> str:
    """Return "p = 0.013", and "p < 1e-6" where it is smaller than that."""
    return f"p {'' if p_value < SMALLEST_P else '= '}{p_number(p_value)}"


def p_number(p_value: float) -> str:
    """Return "0.013", "2.1e-05", or "< 1e-6"."""
    if p_value < SMALLEST_P:
        return "< 1e-6"
    return f"{p_value:.1e}" if p_value < 1e-3 else f"{p_value:.3f}"


def _round_up(number: int) -> int:
    """Return the number with two digits that count: more would claim too much."""
    step = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step
