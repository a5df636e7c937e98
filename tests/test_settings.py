"""Settings that are said to change no number: each is tried at two values."""

import shutil
from functools import cache

import pytest

from src.config.settings import WITHOUT_EFFECT
from src.data.mnist import Mnist
from tests.data.tables import as_text, digit_rows, write
from tests.plans import plan_of, train_plan

SHORT = ("trainer.threads=1", "trainer.max_epochs=2", "model.hidden_sizes=[16]")
CSV = ("data=csv", "data.path=one.csv", "data.test_path=test.csv")
MNIST = ("data=mnist", "data.rows=400", "data.validation_size=100")
PAIRS = {
    "name": (("data=digits",), "one", "other"),
    "data.path": (CSV, "one.csv", "moved/one.csv"),
    "data.test_path": (CSV, "test.csv", "moved/test.csv"),
    "data.cache_dir": (MNIST, "null", "moved"),
    "test": (("data=digits",), "true", "false"),
    "tracking.enabled": (("data=digits",), "true", "false"),
    "tracking.folder": (("data=digits",), "mlruns", "others"),
    "tracking.uri": (("data=digits",), "null", "sqlite:///other.db"),
    "tracking.experiment": (("data=digits",), "digits", "others"),
    "trainer.steps_per_execution": (("data=digits",), "1", "5"),
}
"""What is trained by key, and the two values."""


@pytest.fixture
def twice(tmp_path, monkeypatch):
    """Work in a folder where every file is there twice."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved").mkdir()
    for name, rows in (("one.csv", digit_rows()[:400]), ("test.csv", digit_rows()[400:500])):
        for place in ("", "moved/"):
            write(tmp_path / f"{place}{name}", as_text(rows))
    return tmp_path


def numbers(*overrides: str):
    """Return all numbers of a training: those of each epoch, and both scores."""
    epochs = []

    def note(epoch, metrics):
        epochs.append({key: value for key, value in metrics.items() if key != "seconds"})

    result = train_plan(
        plan_of(*SHORT, *overrides),
        after_epoch=note,
    )
    return epochs, result.validation, result.test


@cache
def numbers_of_another_training():
    return numbers("data=digits", "optimizer.lr=0.1", "tracking=off")


def test_every_setting_on_the_list_is_tried():
    assert PAIRS.keys() == WITHOUT_EFFECT


@pytest.mark.parametrize("key", sorted(WITHOUT_EFFECT))
def test_a_setting_without_effect_changes_no_number(key, twice):
    data, one, other = PAIRS[key]
    if key == "data.cache_dir":
        Mnist().load()
        shutil.copytree(Mnist().cache_folder(), twice / "moved" / "mnist")
    first = numbers(*data, f"{key}={one}")
    assert len(first[0]) == 2
    assert first == numbers(*data, f"{key}={other}")
    assert first != numbers_of_another_training()
