"""The form of a run's images and its threshold, measured on pictures prepared like any other."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np

from src.config.plan import ConfigValidator
from src.data.source import DataSource, LabelledImages
from src.errors import TrackingError, UserError
from src.models.predictor import Predictor
from src.pictures.form import CALIBRATION_IMAGES, Form, evenly, form_from, mnist_form
from src.pictures.preparation import as_picture, prepare
from src.tracking.queries import StoredRun, StoredRuns
from src.tracking.runs import existing_run

RIGHT_WHEN_SURE = 0.99
"""Share of right answers among the validation images that are answered."""
MIN_ANSWERED = 20
"""Validation images that must be answered at a threshold, to tell what share of them is right."""
VALIDATION, PICTURES = "predictions/validation.npz", "predictions/pictures.npz"


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

    table: how the table of the training images was read, None where it was none. probabilities:
    float `[N, K]`, 0 where nothing was recognised; labels: int64 `[N]`. made_from: in words.
    images: some of the validation images as they are, None where they cannot be had any more.
    """

    form: Form
    table: Mapping[str, Any] | None
    probabilities: np.ndarray
    labels: np.ndarray
    made_from: str
    images: LabelledImages | None

    def threshold(self, value: float | None) -> Threshold:
        """Return the threshold that is given, or else chosen, and how it does."""
        if value is None:
            return choose_threshold(self.probabilities, self.labels)
        return judge_threshold(value, self.probabilities, self.labels)


def calibrate(stored: StoredRuns, run: StoredRun, predictor: Predictor) -> Calibration:
    """Return a run's calibration, measured once and then kept with the run.

    Of a run from which neither form nor images can be had, pictures are prepared as MNIST's were,
    and the answers are those to the validation images as they are.
    """
    with TemporaryDirectory() as folder:
        known = _known(stored, run, Path(folder))
        if known is None:
            _, height, width = predictor.image_shape
            with np.load(stored.file(run.id, VALIDATION, Path(folder))) as kept:
                said = kept["probabilities"], kept["labels"]
            return Calibration(
                mnist_form(height, width), None, said[0], said[1], "validation images", images=None
            )
        form, table, images = known
        try:
            with np.load(stored.file(run.id, PICTURES, Path(folder))) as kept:
                said = (kept["probabilities"], kept["labels"])
        except TrackingError:
            said = _answers(images, form, predictor), images.labels
            _keep(stored, run, *said)
    number = len(said[1])
    made_from = f"{number} validation images made into pictures"
    return Calibration(form, table, said[0], said[1], made_from, images)


def _known(
    stored: StoredRuns, run: StoredRun, folder: Path
) -> tuple[Form, Mapping[str, Any] | None, LabelledImages] | None:
    """Return the form, the way a table was read, and validation images; None if they are gone."""
    try:
        text = stored.file(run.id, "preparation/form.json", folder).read_text(encoding="utf-8")
        with np.load(stored.file(run.id, "preparation/validation.npz", folder)) as kept:
            images = LabelledImages(kept["pixels"], kept["labels"])
        known = json.loads(text)
        return form_from(known["form"]), known["table"], images
    except TrackingError:  # a run of an earlier version
        pass
    try:
        dataset = source_of(stored, run).load()
    except UserError:
        return None
    images = dataset.validation
    kept = images.take(evenly(len(images), CALIBRATION_IMAGES))
    return dataset.measured_form, dataset.reading, kept


def source_of(stored: StoredRuns, run: StoredRun) -> DataSource:
    """Return the data source a run was trained on; raises UserError where there is none now."""
    with TemporaryDirectory() as folder:
        config = stored.config(run.id, Path(folder))
    check = ConfigValidator(config)
    component = check.component("data")
    check.finish()
    source: DataSource = component.build()
    return source


def _answers(images: LabelledImages, form: Form, predictor: Predictor) -> np.ndarray:
    """Return the probabilities, float32 `[N, K]`, 0 where there is nothing to recognise."""
    print("measuring how this model reads pictures, once ...", file=sys.stderr, flush=True)
    prepared = [prepare(as_picture(image[0], form), form) for image in images.pixels]
    probabilities = predictor.predict(np.stack([image.pixels for image in prepared])[:, np.newaxis])
    probabilities[[image.problem is not None for image in prepared]] = 0
    return probabilities


def _keep(
    stored: StoredRuns, run: StoredRun, probabilities: np.ndarray, labels: np.ndarray
) -> None:
    """Keep the answers with the run; where its store cannot be written, they are not kept."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / PICTURES
        path.parent.mkdir()
        np.savez_compressed(path, probabilities=probabilities, labels=labels)
        try:
            existing_run(stored.store, run.id).log_files(Path(folder))
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
