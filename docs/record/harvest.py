"""From a tracking store to rows of the record."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from docs.record.recipes import MAX_CHANGES, Recipe, recipes, values_of
from docs.record.record import as_record, groups
from src.tracking.queries import StoredRun, StoredRuns, is_training

METRICS = {
    "val_accuracy": "best/val_accuracy",
    "val_loss": "best/val_loss",
    "test_accuracy": "test/accuracy",
    "test_low": "test/accuracy_low",
    "test_high": "test/accuracy_high",
    "test_loss": "test/log_loss",
    "seconds": "seconds/training",
    "wall_seconds": "seconds/wall",
}
CURVES = {"val_accuracies": "val_accuracy", "val_losses": "val_loss"}


def harvest(stored: StoredRuns) -> pd.DataFrame:
    """Return a row for each finished run that a recipe or a finished sweep made.

    The newest of several runs of one recipe and seed; of a sweep the newest as a whole.
    """
    alone = [run for run in stored.finished if "sweep" not in run.tags]
    trainings = as_record([row for run in alone for row in _training(stored, run)])
    newest = trainings[~groups(trainings).duplicated()]
    return pd.concat([newest, as_record(_sweeps(stored))], ignore_index=True)


def _training(stored: StoredRuns, run: StoredRun) -> list[dict[str, object]]:
    """Return the row of a recipe's run or of a variant of one; none for any other run."""
    with TemporaryDirectory() as draft:
        values = values_of(stored.config(run.id, Path(draft)))
    found = [(recipe, recipe.changes(values)) for recipe in recipes()]
    recipe, changes = min(found, key=lambda pair: len(pair[1]))
    if not _is_variant(recipe, changes):
        return []
    changed = " ".join(f"{key}={value}" for key, value in changes.items())
    seed = int(run.params["seed"])
    return [_row(stored, run, recipe.name, changed=changed, kind="training", number=seed)]


def _is_variant(recipe: Recipe, changes: dict[str, str]) -> bool:
    """Tell whether the changes leave a recipe what it is: the exercise's are taken as they are."""
    most = 0 if recipe.name.startswith("exercise") else MAX_CHANGES
    return len(changes) <= most and "data" not in changes and "model" not in changes


def _sweeps(stored: StoredRuns) -> list[dict[str, object]]:
    parents = {
        run.tags["sweep"]: run
        for run in reversed(stored.all)  # the newest last
        if "sweep" in run.tags and run.status == "FINISHED" and not is_training(run)
    }
    rows = []
    for name, parent in parents.items():
        rows.append(_row(stored, parent, name, changed="", kind="sweep", number=0))
        searched = [key.removeprefix("space.") for key in parent.params if key.startswith("space.")]
        for run in stored.finished:
            if run.tags.get("mlflow.parentRunId") == parent.id and "refit" not in run.tags:
                values = " ".join(f"{k}={run.params[k]}" for k in searched if k in run.params)
                kind = "trial" if "trial.number" in run.tags else "confirmation"
                number = int(run.tags[f"{kind}.number"])
                rows.append(_row(stored, run, name, changed=values, kind=kind, number=number))
    return rows


def _row(
    stored: StoredRuns,
    run: StoredRun,
    configuration: str,
    *,
    changed: str,
    kind: str,
    number: int,
) -> dict[str, Any]:
    curves = stored.curves(run.id, tuple(CURVES.values()))
    with TemporaryDirectory() as draft:
        made = stored.environment(run, Path(draft))
        trainer = stored.config(run.id, Path(draft)).get("trainer", {})
    return {
        "configuration": configuration,
        "changed": changed,
        "kind": kind,
        "number": number,
        "seed": int(run.params["seed"]),
        "threads": int(trainer.get("threads") or made["hardware.cores"]),
        "processor": made["hardware.processor"],
        "date": datetime.fromtimestamp(run.started / 1000, UTC).date().isoformat(),
        "commit": run.tags.get("mlflow.source.git.commit", "")[:9],
        "dirty": made.get("git.dirty") == "true",
        "run_id": run.id,
        **{name: run.metrics.get(key, float("nan")) for name, key in METRICS.items()},
        **{name: " ".join(f"{value:.6g}" for value in curves[key]) for name, key in CURVES.items()},
    }
