"""The form of a run's images and its threshold, measured on pictures prepared like any other."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np

from src.data.source import LabelledImages
from src.errors import TrackingError, UserError
from src.models.pictures import ANSWERS, PREPARATION, Preparation, write_answers
from src.models.predictor import Predictor
from src.pictures.form import Form
from src.tracking.queries import StoredRun, StoredRuns
from src.tracking.runs import existing_run

RIGHT_WHEN_SURE = 0.99
"""Share of right answers among the validation images that are answered."""
MIN_ANSWERED = 20
"""Validation images that must be answered at a threshold, to tell what share of them is right."""


@final
@dataclass(frozen=True)
class Threshold:
    """The least probability of an answer, 0..1, and how it did on the validation images.

    right: share of right answers among the answered. answered: share that is answered.
    """

    value: float
    right: float
    answered: float


@final
@dataclass(frozen=True)
class Calibration:
    """How pictures are prepared for a model, and what it then says of validation images.

    table: how the table of the training images was read, None where it was none. images: some of
    the validation images as they are. probabilities: float `[N, K]` of these made into pictures, 0
    where nothing was recognised.
    """

    form: Form
    table: Mapping[str, Any] | None
    images: LabelledImages
    probabilities: np.ndarray

    def threshold(self, value: float | None) -> Threshold:
        """Return the threshold that is given, or else chosen, and how it does."""
        if value is None:
            return choose_threshold(self.probabilities, self.images.labels)
        return judge_threshold(value, self.probabilities, self.images.labels)


def calibrate(stored: StoredRuns, run: StoredRun, predictor: Predictor) -> Calibration:
    """Return a run's calibration; what its model says of pictures is measured once, and kept.

    Raises TrackingError where the files that the run has kept of its images cannot be had.
    """
    with TemporaryDirectory() as draft:
        folder = Path(draft)
        for name in PREPARATION:
            stored.file(run.id, name, folder)
        kept = Preparation(folder / run.id)
        try:
            answers = stored.file(run.id, ANSWERS, folder)
        except TrackingError:
            print("measuring how this model reads pictures, once ...", file=sys.stderr, flush=True)
            answers = write_answers(predictor, kept, folder / "measured")
            _keep(stored, run, folder / "measured")
        with np.load(answers) as found:
            return Calibration(kept.form, kept.table, kept.images, found["probabilities"])


def _keep(stored: StoredRuns, run: StoredRun, measured: Path) -> None:
    """Keep the answers with the run; where its store cannot be written, they are not kept."""
    try:
        existing_run(stored.store, run.id).log_files(measured)
    except (UserError, OSError) as error:
        print(f"run {run.id[:8]}: {error}", file=sys.stderr)


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray) -> Threshold:
    """Return the smallest threshold at which 99 % of the answered validation images are right.

    probabilities: float `[N, K]`, 0 where there is no answer at any threshold; labels: int64 `[N]`.
    Where no threshold is that good, it is the best there is with at least 20 answers. The rule is
    the "selective classification" of Geifman and El-Yaniv (2017), without their bound.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    counts = np.arange(1, len(right) + 1)
    shares = right.cumsum() / counts
    descending = confidence[order]
    last_of_value = np.append(descending[1:] < descending[:-1], True) & (descending > 0)
    usable = last_of_value & (counts >= min(MIN_ANSWERED, len(right)))
    good = np.flatnonzero(usable & (shares >= RIGHT_WHEN_SURE))
    if not usable.any():
        return Threshold(1.0, float("nan"), 0.0)
    chosen = good[-1] if len(good) else np.flatnonzero(usable)[shares[usable].argmax()]
    is_last = chosen == np.count_nonzero(descending > 0) - 1
    value = 0.0 if is_last and len(good) else float(descending[chosen])  # all are good enough
    return Threshold(value, float(shares[chosen]), (chosen + 1) / len(right))


def judge_threshold(value: float, probabilities: np.ndarray, labels: np.ndarray) -> Threshold:
    """Return how a given threshold does on the validation images."""
    confidence = probabilities.max(axis=1)
    answered = (confidence >= value) & (confidence > 0)
    right = (probabilities.argmax(axis=1) == labels)[answered]
    share = float(right.mean()) if len(right) else float("nan")
    return Threshold(value, share, float(answered.mean()))
