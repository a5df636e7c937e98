"""What a stored run was made from: its data, loaded again and checked, and its trained model."""

from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from src.config.plan import ConfigValidator
from src.data.source import DataSource, LabelledImages, digest
from src.errors import DataError
from src.models.predictor import Predictor, load_predictor
from src.tracking.queries import CHECKPOINT, StoredRun, StoredRuns


def load_source(stored: StoredRuns, run: StoredRun) -> DataSource:
    """Load the data of a run again.

    Raises UserError where it cannot be had, DataError where it is no longer what it was.
    """
    with TemporaryDirectory() as folder:
        check = ConfigValidator(stored.config(run.id, Path(folder)))
    component = check.component("data")
    check.finish()
    source: DataSource = component.build()
    split = source.load().split_digest
    if split != run.tags["digest.split"]:
        raise DataError(
            f"data: not what run {run.name!r} trained on (split {split[:12]}, was "
            f"{run.tags['digest.split'][:12]}); bring the data back as it was"
        )
    return source


def load_test_images(source: DataSource, run: StoredRun) -> LabelledImages:
    """Load the test images a run was scored on; raises DataError where they have changed."""
    images = source.load_test()
    if digest(images) != run.tags["digest.test"]:
        raise DataError(f"data: the test images are no longer those that {run.name!r} looked at")
    return images


def load_model(stored: StoredRuns, run: StoredRun, folder: Path) -> Predictor:
    """Build a run's model again, as it was in its best epoch."""
    return load_predictor(stored.file(run.id, CHECKPOINT, folder))


def first_layer(model: Predictor, image_shape: tuple[int, ...]) -> tuple[np.ndarray, bool] | None:
    """Return the first layer's weights `[U, C, H, W]`, and whether it is the only layer.

    None where the first layer does not give every pixel a weight.
    """
    layers = [p.detach().numpy() for p in model.model.parameters() if p.ndim > 1]
    if not layers or layers[0].shape[1:] != (prod(image_shape),):
        return None
    return layers[0].reshape(-1, *image_shape), len(layers) == 1
