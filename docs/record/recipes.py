"""What the documents tell of: which recipes, over which seeds, by which commands."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import hydra
import pandas as pd

from src.cli.overrides import CONF
from src.config.plan import Plan
from src.config.settings import IGNORED_IN_DIGEST, Tracking, flat
from src.errors import TrainingFailed
from src.search.composer import Composer
from src.training.description import kept_config

EXPERIMENT = "record"
"""The experiment of a store whose runs go into the record."""

EXERCISE = (
    "exercise_linear_start",
    "exercise_linear",
    "exercise_dnn_10_steps",
    "exercise_dnn_100_steps",
    "exercise_dnn",
)
SEEDS = range(1, 21)
SWEEP = "exercise"

GRID_COMMAND = (
    f"python -m src.train -m experiment={','.join(EXERCISE)} "
    f"'seed=range({SEEDS.start},{SEEDS.stop})'"
)
SWEEP_COMMAND = f"python -m src.sweep sweep={SWEEP} executor=processes"

MARK = 987_654_321
"""A seed that no run has; it marks where in a recipe's parameters the seed stands."""

MAX_CHANGES = 4
"""Parameters in which a run may differ from a recipe and still be a variant of it."""


@final
@dataclass(frozen=True)
class Recipe:
    """An option of conf/experiment/ and the values its runs have, MARK for the seed."""

    name: str
    values: dict[str, str]

    def changes(self, of_run: Mapping[str, str]) -> dict[str, str]:
        """Return the values in which a run differs; of_run: all it was made with, `values_of`.

        A parameter that only one of them has did not exist when the run was made, or exists no
        more: it was off.
        """
        seed = of_run["seed"]
        return {
            key: of_run[key]
            for key, value in self.values.items()
            if key in of_run and of_run[key] != value.replace(str(MARK), seed)
        }


def values_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return options and values of a run's configuration by key, as text."""
    found = {key.removeprefix("choices."): str(value) for key, value in flat(config)}
    unsaid = {"name", *IGNORED_IN_DIGEST}
    return {k: v for k, v in found.items() if k not in unsaid and not k.endswith("_target_")}


@cache
def recipes() -> tuple[Recipe, ...]:
    """Return every option of conf/experiment/, composed."""
    names = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
    return tuple(_recipe(name) for name in names)


def recipe_plan(name: str, *, seed: int) -> Plan:
    """Return the plan of `python -m src.train experiment=NAME seed=SEED`, for one thread."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composer = Composer("train", [f"experiment={name}", f"seed={seed}"], threads=1)
        return composer.plan({}, seed=seed, name=name)


def _recipe(name: str) -> Recipe:
    return Recipe(name, values_of(kept_config(recipe_plan(name, seed=MARK))))


def train_lacking(store: Tracking, known: pd.DataFrame) -> bool:
    """Train what is quick and not among the known rows; tell whether there was anything.

    Raises TrainingFailed where a command fails.
    """
    commands = []
    to_store = [f"tracking.folder={store.folder}", f"tracking.experiment={store.experiment}"]
    for name in EXERCISE:
        own = known[(known["configuration"] == name) & (known["changed"] == "")]
        seeds = sorted(set(SEEDS) - set(own["seed"]))
        if seeds:
            grid = ["-m", f"experiment={name}", f"seed={','.join(map(str, seeds))}"]
            commands.append(["-m", "src.train", *grid, *to_store])
    if not ((known["kind"] == "sweep") & (known["configuration"] == SWEEP)).any():
        commands.append([*shlex.split(SWEEP_COMMAND)[1:], *to_store])
    for command in commands:
        print(f"\nnot in the store yet: python {shlex.join(command)}", flush=True)
        code = subprocess.run([sys.executable, *command]).returncode
        if code:
            raise TrainingFailed(f"python {shlex.join(command)}: ended with exit code {code}")
    return bool(commands)
