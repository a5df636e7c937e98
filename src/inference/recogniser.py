"""A tracked model that answers for pictures, and says so where it has no answer."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np

from src.inference.calibration import Calibration, Threshold, calibrate
from src.inference.choice import choose_run
from src.models.predictor import Predictor, load_predictor
from src.pictures.preparation import Prepared, Problem, prepare
from src.pictures.reading import Picture
from src.tracking.queries import (
    CHECKPOINT,
    REFITTED,
    REFITTED_FROM,
    VALIDATED,
    StoredRun,
    StoredRuns,
)

Status = Literal["recognised", "unsure"] | Problem


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
    """A model, how pictures are prepared for it, and its threshold.

    origin: which run this is and why it was taken, for people.
    """

    predictor: Predictor
    calibration: Calibration
    threshold: Threshold
    run: StoredRun
    origin: str

    @property
    def rule(self) -> str:
        """Below which probability there is no answer, and how that does, for people."""
        own, number = self.threshold, len(self.calibration.images)
        images = f"{number} validation images made into pictures"
        below = f"no answer below probability {own.value:.3f}"
        if own.answered == 0:
            return f"{below}: none of {images} has one"
        return f"{below}: of {images} {own.answered:.1%} have one, {own.right:.1%} of those right"

    def prepare(self, picture: Picture) -> Prepared:
        """Bring a picture into the form that the model was trained on."""
        return prepare(picture, self.calibration.form)

    def answer(self, prepared: Sequence[Prepared]) -> list[Answer]:
        """Answer for prepared pictures, all of them in one pass."""
        if not prepared:
            return []
        pixels = np.stack([image.pixels for image in prepared])[:, np.newaxis]
        probabilities = self.predictor.predict(pixels)
        return [self._answer(*pair) for pair in zip(prepared, probabilities, strict=True)]

    def _answer(self, prepared: Prepared, probabilities: np.ndarray) -> Answer:
        names = self.predictor.class_names
        best, runner_up = np.argsort(-probabilities, kind="stable")[:2]  # of equals as argmax does
        status: Status = "recognised"
        usual = self.calibration.form.digits
        problem = prepared.problem
        if problem is None and prepared.digits > (usual[best] if usual else 1):
            problem = "several digits"
        if problem:
            status = problem
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
    validation images. Raises ConfigError where there is no such run or it cannot answer, and
    TrackingError where there is no run at all.
    """
    run, why = choose_run(stored, model)
    with tempfile.TemporaryDirectory() as folder:
        predictor = load_predictor(stored.file(run.id, CHECKPOINT, Path(folder)))
    calibration = calibrate(stored, run, predictor)
    return Recogniser(
        predictor=predictor,
        calibration=calibration,
        threshold=calibration.threshold(threshold),
        run=run,
        origin=f"{why}: {run.name}, run {run.id[:8]}, trained on {run.data}, {_how_good(run)}",
    )


def _how_good(run: StoredRun) -> str:
    if VALIDATED in run.metrics:
        return f"{run.metrics[VALIDATED]:.1%} of its validation images right"
    winner, accuracy = run.tags[REFITTED_FROM][:8], float(run.tags[REFITTED])
    return f"as run {winner}, which had {accuracy:.1%} of its validation images right"
