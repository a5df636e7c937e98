"""Plans and problems of command lines, in this process; values that make a training quick."""

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cli.arguments import configuration, read_flags, runs_of
from src.cli.overrides import conf_open, plan_from
from src.config.plan import Plan
from src.config.settings import Tracking
from src.data.source import Dataset
from src.errors import ConfigError

if TYPE_CHECKING:
    from src.tracking.queries import StoredRuns
    from src.training.result import Result

QUICK = ("experiment=none", "data=digits", "trainer.threads=1")
"""The plain network, small real data, one thread: the same numbers in every process."""


def plan_of(*overrides: str) -> Plan:
    """Return the plan of `python -m src.train OVERRIDES`."""
    return _plan_of(Path.cwd(), *overrides)


@cache
def _plan_of(folder: Path, *overrides: str) -> Plan:
    line = read_flags(list(overrides), verb="train")
    with conf_open(*line.config_dir):
        [run] = runs_of(line, verb="train", check=lambda config: None)
        return plan_from(configuration("train", run))


def problems_of(*overrides: str) -> tuple[str, ...]:
    """Return what `python -m src.train OVERRIDES` finds wrong with its command line."""
    try:
        plan_of(*overrides)
    except ConfigError as error:
        return error.problems
    return ()


def dataset_of(plan: Plan, *, train_images: int | None = None) -> Dataset:
    """Return the plan's data, with only the first training images if a number is given."""
    whole = plan.data.build().load()
    if train_images is None:
        return whole
    import numpy as np

    return Dataset(
        train=whole.train.take(np.arange(train_images)),
        validation=whole.validation,
        class_names=whole.class_names,
        data_digest=whole.data_digest,
        split_digest=whole.split_digest,
    )


def fit_of(plan: Plan, dataset: Dataset, folder, *, check_stop=lambda: None, log_epoch=None):
    """Train the plan's model in `folder` without a store; return what the training left."""
    from src.training.fit import build_classifier, fit
    from src.training.progress import EpochReporter
    from src.training.series import keep_array

    return fit(
        build_classifier(
            plan,
            dataset,
            before_step=check_stop,
            on_snapshot=partial(keep_array, folder / "weights"),
        ),
        plan,
        dataset,
        folder=folder,
        log_epoch=log_epoch or (lambda epoch, metrics: None),
        reporter=EpochReporter(),
        check_stop=check_stop,
    )


def train_plan(plan: Plan, **how: Any) -> "Result":
    """Train as `python -m src.train` does, with the test images, saying nothing."""
    from src.tracking.store import open_store
    from src.training.progress import EpochReporter
    from src.training.train_run import train

    usual = {
        "reporter": EpochReporter(),
        "check_stop": lambda: None,
        "evaluate_on_test_set": True,
        "source": plan.data.build(),
    }
    if "store" not in how:
        how["store"] = open_store(plan.tracking) if plan.tracking.enabled else None
    return train(plan, **{**usual, **how})


def stored_runs(tracking: Tracking) -> "StoredRuns":
    """Return the runs of a store that is there."""
    from src.tracking.queries import StoredRuns
    from src.tracking.store import open_existing_store

    return StoredRuns(open_existing_store(tracking))
