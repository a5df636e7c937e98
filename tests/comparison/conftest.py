"""One store with real trainings of several models, seeds, splits and a search; read only."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from src.config.settings import Tracking
from src.tracking.store import open_store
from tests.conftest import Store, made_once
from tests.plans import QUICK, dataset_of, plan_of, train_plan

SPEEDY = (*QUICK, "trainer.max_epochs=12", "trainer.batch_size=32")
RUNS: dict[str, tuple[tuple[str, ...], bool]] = {
    "linear": (("model=linear",), True),
    "dnn 1": (("seed=1",), True),
    "dnn 2": (("seed=2",), True),
    "dnn 1 again": (("seed=1",), True),
    "poor": (("trainer.max_epochs=1",), True),
    "other split": (("data.split_seed=7",), False),
    "unseen": (("model.hidden_sizes=[40]", "trainer.max_epochs=6"), False),
}
"""By a name for the tests: what the run is trained with, and whether it looks at the test set."""


@dataclass(frozen=True)
class Contest:
    """Run ids by the names of the tests, and the store they are in."""

    tracking: Tracking
    ids: dict[str, str]
    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder)


def train_into(tracking: Tracking, *overrides: str, **how) -> str:
    """Train in this process as `python -m src.train` would, and return the run's id."""
    plan = plan_of(*SPEEDY, f"tracking.folder={tracking.folder}", *overrides)
    return train_plan(plan, **how).run_id


def _search(tracking: Tracking) -> dict[str, str]:
    """Leave what a search leaves: a parent, two trials, and a confirmation of the better."""
    from src.tracking.runs import start_run
    from src.training.description import describe_data

    plan = plan_of(*SPEEDY)
    dataset = dataset_of(plan)
    parent = start_run(
        open_store(tracking),
        name="hunt",
        params={},
        tags={"sweep": "hunt", "mlflow.source.name": "src.sweep", "data": "digits"},
        data=describe_data(plan, dataset),
        config={},
    )
    ids = {"hunt": parent.id}
    below = {"parent": parent.id, "evaluate_on_test_set": False}
    for name, seed, size, tags in (
        ("trial 0", 11, 32, {"trial.number": "0"}),
        ("trial 1", 12, 4, {"trial.number": "1"}),
        ("again 1", 13, 32, {"confirmation.number": "0"}),
    ):
        overrides = (f"seed={seed}", f"model.hidden_sizes=[{size}]", f"name='hunt {name}'")
        ids[name] = train_into(tracking, *overrides, tags={"sweep": "hunt", **tags}, **below)
    parent.finish("FINISHED")
    return ids


def _train_all(folder: Path) -> dict[str, str]:
    tracking = Tracking(folder=folder / "mlruns")
    ids = _search(tracking)
    for name, (overrides, looks) in RUNS.items():
        ids[name] = train_into(tracking, *overrides, evaluate_on_test_set=looks)
    return ids


@pytest.fixture(scope="session")
def contest(tmp_path_factory) -> Contest:
    """Return a store to compare in; do not change its runs."""
    folder, ids = made_once(tmp_path_factory, "contest", _train_all)
    return Contest(Tracking(folder=folder / "mlruns"), ids, folder)


@pytest.fixture
def own_contest(contest, tmp_path) -> Contest:
    """Return a copy of the store, to be changed; its old runs keep their files where they are."""
    return copy_of(contest, tmp_path)


def copy_of(contest: Contest, folder: Path) -> Contest:
    """Return the same runs in a database of its own."""
    copy = folder / "mlruns" / "mlflow.db"
    copy.parent.mkdir()
    with (
        closing(sqlite3.connect(contest.folder / "mlruns" / "mlflow.db")) as original,
        closing(sqlite3.connect(copy)) as own,
    ):
        original.backup(own)
        own.execute("PRAGMA journal_mode=WAL")
    return Contest(Tracking(folder=copy.parent), contest.ids, folder)
