"""Settings that are said to change no number: each at two values."""

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
DIGITS = ("data=digits",)
OTHERS = (
    (DIGITS, {"name": "other", "test": "false", "tracking.enabled": "false"}),
    (DIGITS, {"tracking.folder": "others", "tracking.experiment": "others"}),
    (DIGITS, {"tracking.uri": "sqlite:///other.db", "trainer.steps_per_execution": "5"}),
    (CSV, {"data.path": "moved/one.csv", "data.test_path": "moved/test.csv"}),
    (MNIST, {"data.cache_dir": "moved"}),
)
"""What is trained, and the other values of what is tried on it at once."""


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Work in a folder where every file is there twice."""
    folder = tmp_path_factory.mktemp("twice")
    (folder / "moved").mkdir()
    for name, rows in (("one.csv", digit_rows()[:400]), ("test.csv", digit_rows()[400:500])):
        for place in ("", "moved/"):
            write(folder / f"{place}{name}", as_text(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@cache
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


def test_every_setting_on_the_list_is_tried():
    assert {key for _, others in OTHERS for key in others} == WITHOUT_EFFECT


@pytest.mark.long
@pytest.mark.parametrize(("data", "others"), OTHERS, ids=[" ".join(o) for _, o in OTHERS])
def test_settings_without_effect_change_no_number(data, others, twice):
    if "data.cache_dir" in others:
        Mnist().load()
        shutil.copytree(Mnist().cache_folder(), twice / "moved" / "mnist")
    first = numbers(*data)
    assert len(first[0]) == 2
    assert first == numbers(*data, *(f"{key}={value}" for key, value in others.items()))
    assert first != numbers("data=digits", "optimizer.lr=0.1", "tracking=off")
