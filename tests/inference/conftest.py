"""Two finished runs on MNIST, the dense one the champion; and pictures made of real digits."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from src.config.settings import Tracking
from src.data.mnist import Mnist
from src.inference.recogniser import Answer, Recogniser, load_recogniser
from src.pictures.reading import Picture
from tests.conftest import made_once
from tests.plans import plan_of, stored_runs, train_plan

SHORT = ("data=mnist_20k", "data.validation_size=400", "trainer.threads=1", "trainer.max_epochs=4")


@dataclass(frozen=True)
class Trained:
    """A store with a linear and a dense run; the dense one is the champion."""

    folder: Path
    linear: str
    dense: str

    @property
    def tracking(self) -> Tracking:
        return Tracking(folder=self.folder / "mlruns")

    @cached_property
    def champion(self):
        return load_recogniser(stored_runs(self.tracking))


def _train(folder: Path) -> dict[str, str]:
    runs = {}
    for model in ("dnn", "linear"):
        plan = plan_of(f"model={model}", f"tracking.folder={folder}/mlruns", *SHORT)
        result = train_plan(plan, evaluate_on_test_set=False)
        runs[model] = result.run_id
    promote(folder, runs["dnn"])
    for run_id in runs.values():  # who is the first to use a run measures it, and says so
        load_recogniser(stored_runs(Tracking(folder=folder / "mlruns")), model=run_id)
    return runs


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder, runs = made_once(tmp_path_factory, "trained", _train)
    return Trained(folder, linear=runs["linear"], dense=runs["dnn"])


def promote(folder: Path, run_id: str) -> None:
    """Make a run the champion, with MLflow's own client."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlruns/mlflow.db")
    [output] = client.get_run(run_id).outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    client.create_registered_model("digits")
    version = client.create_model_version(
        "digits", source=model.artifact_location, run_id=run_id, model_id=model.model_id
    )
    client.set_registered_model_alias("digits", "champion", version.version)


@pytest.fixture(scope="session")
def digits():
    """Return the validation images of the runs: never trained on."""
    return Mnist(rows=20_000, validation_size=400).load().validation


def recognise(recogniser: Recogniser, picture: Picture) -> Answer:
    """Answer for one picture."""
    return recogniser.answer([recogniser.prepare(picture)])[0]


def enlarged(pixels: np.ndarray, *, side: int = 200) -> np.ndarray:
    """Return a digit, uint8 `[28, 28]`, as a large picture, float 0..1 `[side, side]`."""
    large = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(large) / 255
