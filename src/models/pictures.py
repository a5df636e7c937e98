"""What a model says of images made into pictures, by which the threshold of its answers is chosen.

Kept with a run: the form of its images, how a table of them was read, some validation images
(`src.training.artifacts` writes these), and the model's answers to them as pictures.
"""

import json
from pathlib import Path
from typing import Any, final

import numpy as np
from pydantic import TypeAdapter

from src.data.source import LabelledImages
from src.models.predictor import Predictor
from src.pictures.form import Form
from src.pictures.preparation import as_picture, prepare

PREPARATION = ("preparation/form.json", "preparation/validation.npz")
ANSWERS = "predictions/pictures.npz"
"""Files among the artifacts of a run."""


@final
class Preparation:
    """What a run has kept of its images; folder: into which its files of PREPARATION were copied.

    table: how the table of the training images was read, None where it was none.
    """

    def __init__(self, folder: Path) -> None:
        form, images = (folder / Path(name).name for name in PREPARATION)
        known = json.loads(form.read_text(encoding="utf-8"))
        self.form: Form = TypeAdapter(Form).validate_python(known["form"])
        self.table: dict[str, Any] | None = known["table"]
        with np.load(images) as kept:
            self.images = LabelledImages(kept["pixels"], kept["labels"])


def write_answers(predictor: Predictor, preparation: Preparation, folder: Path) -> Path:
    """Write what a model says of the kept validation images, made into pictures, below a folder.

    probabilities: float32 `[N, K]`, 0 where there is nothing to recognise; labels: int64 `[N]`.
    """
    form, images = preparation.form, preparation.images
    prepared = [prepare(as_picture(image[0], form), form) for image in images.pixels]
    probabilities = predictor.predict(np.stack([image.pixels for image in prepared])[:, np.newaxis])
    probabilities[[image.problem is not None for image in prepared]] = 0
    path = folder / ANSWERS
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, probabilities=probabilities, labels=images.labels)
    return path
