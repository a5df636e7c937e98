"""A tracked model that answers for pictures, and says so where it has no answer."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np

from src.errors import ConfigError
from src.inference.choice import choose_run
from src.inference.pictures import Picture
from src.inference.preprocessing import Prepared, Problem, prepare
from src.models.predictor import Predictor, load_predictor
from src.tracking.queries import CHECKPOINT, StoredRun, StoredRuns

RIGHT_WHEN_SURE = 0.99
"""Share of right answers among the validation images that are answered."""
MIN_ANSWERED = 20
"""Validation images that must be answered at a threshold, to tell what share of them is right."""

Status = Literal["recognised", "unsure"] | Problem


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
class Answer:
    """What a model says of one picture.

    label: the class, None where the status is not "recognised". best, runner_up: the two likeliest
    classes. probabilities: float32 `[K]`; all 0 where there is no single digit.
    """

    status: Status
    label: str | None
    best: str
    runner_up: str
    probabilities: np.ndarray
    prepared: Prepared

    @property
    def probability(self) -> float:
        """The probability of the likeliest class."""
        return float(self.probabilities.max())

    @property
    def runner_up_probability(self) -> float:
        """The probability of the class after it."""
        return float(np.partition(self.probabilities, -2)[-2])


@final
@dataclass(frozen=True)
class Recogniser:
    """A model with the form of its images, float `[C, H, W]`, and its threshold.

    origin: which run this is and why it was taken, for people.
    """

    predictor: Predictor
    image_shape: tuple[int, int, int]
    threshold: Threshold
    run: StoredRun
    origin: str

    def prepare(self, picture: Picture) -> Prepared:
        """Bring a picture into the form that the model was trained on."""
        return prepare(picture, height=self.image_shape[1], width=self.image_shape[2])

    def answer(self, prepared: Sequence[Prepared]) -> list[Answer]:
        """Answer for prepared pictures, all of them in one pass."""
        if not prepared:
            return []
        pixels = np.stack([image.pixels for image in prepared])[:, np.newaxis]
        probabilities = self.predictor.predict(pixels)
        return [self._answer(*pair) for pair in zip(prepared, probabilities, strict=True)]

    def recognise(self, picture: Picture) -> Answer:
        """Answer for one picture."""
        return self.answer([self.prepare(picture)])[0]

    def _answer(self, prepared: Prepared, probabilities: np.ndarray) -> Answer:
        names = self.predictor.class_names
        runner_up, best = np.argsort(probabilities, kind="stable")[-2:]
        status: Status = "recognised"
        if prepared.problem:
            status = prepared.problem
            probabilities = np.zeros_like(probabilities)
        elif probabilities[best] < self.threshold.value:
            status = "unsure"
        return Answer(
            status=status,
            label=names[best] if status == "recognised" else None,
            best=names[best],
            runner_up=names[runner_up],
            probabilities=probabilities,
            prepared=prepared,
        )


def load_recogniser(
    stored: StoredRuns, *, model: str | None = None, threshold: float | None = None
) -> Recogniser:
    """Load a finished run's model: the one named, else the champion, else the newest.

    model: a run's id, its beginning, or its name. threshold: by default the one chosen on
    validation images. Raises ConfigError where there is no such run or its images have several
    channels, and TrackingError where there is no run at all.
    """
    run, why = choose_run(stored, model)
    with tempfile.TemporaryDirectory() as folder:
        predictor = load_predictor(stored.file(run.id, CHECKPOINT, Path(folder)))
        if (judge := _validated(run)) is None:
            raise ConfigError(
                f"`model`={run.id}: was trained on every row, so that no validation images tell "
                "from what probability on its answers are right; choose a run that kept some"
            )
        predictions = stored.file(judge, "predictions/validation.npz", Path(folder))
        with np.load(predictions, allow_pickle=False) as arrays:
            probabilities, labels = arrays["probabilities"], arrays["labels"]
    shape = predictor.image_shape
    if shape[0] != 1:
        raise ConfigError(
            f"`model`={run.id}: was trained on images of {shape[0]} channels; pictures are "
            "read in grey, choose a model of grey images"
        )
    return Recogniser(
        predictor=predictor,
        image_shape=shape,
        threshold=choose_threshold(probabilities, labels)
        if threshold is None
        else judge_threshold(threshold, probabilities, labels),
        run=run,
        origin=f"{why}: {run.name}, run {run.id[:8]}, trained on {run.data}, "
        f"{(probabilities.argmax(axis=1) == labels).mean():.1%} of {_whose(run)} validation images "
        "right",
    )


def _validated(run: StoredRun) -> str | None:
    """Return the run whose validation predictions judge this one: itself where it has any.

    Of a search's winner that was trained once more on every row it is the winner's own.
    """
    return run.id if "best/val_accuracy" in run.metrics else run.tags.get("validation.run")


def _whose(run: StoredRun) -> str:
    return "its" if _validated(run) == run.id else f"run {str(_validated(run))[:8]}'s"


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray) -> Threshold:
    """Return the smallest threshold at which 99 % of the answered validation images are right.

    probabilities: float `[N, K]`; labels: int64 `[N]`. Where no threshold is that good, it is the
    best there is with at least 20 answers. The rule is the "selective classification" of Geifman
    and El-Yaniv (2017), without their bound.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    counts = np.arange(1, len(right) + 1)
    shares = right.cumsum() / counts
    descending = confidence[order]
    last_of_value = np.append(descending[1:] < descending[:-1], True)
    usable = last_of_value & (counts >= min(MIN_ANSWERED, len(right)))
    good = np.flatnonzero(usable & (shares >= RIGHT_WHEN_SURE))
    chosen = good[-1] if len(good) else np.flatnonzero(usable)[shares[usable].argmax()]
    if chosen == len(right) - 1 and len(good):
        return Threshold(0.0, float(shares[-1]), 1.0)  # all are good enough
    return Threshold(float(descending[chosen]), float(shares[chosen]), (chosen + 1) / len(right))


def judge_threshold(value: float, probabilities: np.ndarray, labels: np.ndarray) -> Threshold:
    """Return how a given threshold does on the validation images."""
    answered = probabilities.max(axis=1) >= value
    right = (probabilities.argmax(axis=1) == labels)[answered]
    share = float(right.mean()) if len(right) else float("nan")
    return Threshold(value, share, float(answered.mean()))
