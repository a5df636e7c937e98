"""From a tracking store to lines of the record."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from src.results.recipes import MOST_CHANGES, Recipe, recipes
from src.results.record import Kind, Line
from src.tracking.queries import StoredRun, StoredRuns, is_training

KEYS = ("val_accuracy", "val_loss")


def harvest(stored: StoredRuns) -> list[Line]:
    """Return a line for each finished run that a recipe or a finished sweep made.

    The newest of several runs of one recipe and seed; of a sweep the newest as a whole.
    """
    found: dict[tuple[object, ...], Line] = {}
    for run in reversed(stored.finished):  # the newest last
        if "sweep" not in run.tags:
            line = _training(stored, run)
            if line is not None:
                found[line.group] = line
    return [*found.values(), *_sweeps(stored)]


def _training(stored: StoredRuns, run: StoredRun) -> Line | None:
    """Return the line of a recipe's run or of a variant of one; None for any other run."""
    recipe, changes = min(
        ((recipe, recipe.changes(run)) for recipe in recipes()), key=lambda found: len(found[1])
    )
    if not _is_variant(recipe, changes):
        return None
    changed = " ".join(f"{key}={value}" for key, value in changes.items())
    seed = int(run.params["seed"])
    return _line(stored, run, recipe.name, changed=changed, kind="training", number=seed)


def _is_variant(recipe: Recipe, changes: dict[str, str]) -> bool:
    """Tell whether the changes leave a recipe what it is: the exercise's are taken as they are."""
    most = 0 if recipe.name.startswith("exercise") else MOST_CHANGES
    return len(changes) <= most and "data" not in changes and "model" not in changes


def _sweeps(stored: StoredRuns) -> Iterator[Line]:
    taken = set()
    for parent in stored.all:  # the newest first
        name = parent.tags.get("sweep")
        if is_training(parent) or name is None or parent.status != "FINISHED" or name in taken:
            continue
        taken.add(name)
        yield _line(stored, parent, name, changed="", kind="sweep", number=0)
        searched = [key.removeprefix("space.") for key in parent.params if key.startswith("space.")]
        for run in stored.finished:
            if run.tags.get("mlflow.parentRunId") != parent.id:
                continue
            values = " ".join(f"{k}={run.params[k]}" for k in searched if k in run.params)
            kind: Kind = "trial" if "trial.number" in run.tags else "confirmation"
            number = int(run.tags[f"{kind}.number"])
            yield _line(stored, run, name, changed=values, kind=kind, number=number)


def _line(
    stored: StoredRuns,
    run: StoredRun,
    configuration: str,
    *,
    changed: str,
    kind: Kind,
    number: int,
) -> Line:
    numbers: dict[str, Any] = {
        "val_accuracy": "best/val_accuracy",
        "val_loss": "best/val_loss",
        "test_accuracy": "test/accuracy",
        "test_low": "test/accuracy_low",
        "test_high": "test/accuracy_high",
        "test_loss": "test/log_loss",
        "seconds": "seconds/training",
        "wall_seconds": "seconds/wall",
    }
    values = {name: run.metrics.get(key, float("nan")) for name, key in numbers.items()}
    curves = stored.curves(run.id, KEYS) if kind != "sweep" else {key: [] for key in KEYS}
    threads = run.params.get("trainer.threads", "None")
    return Line(
        configuration=configuration,
        changed=changed,
        kind=kind,
        number=number,
        seed=int(run.params["seed"]),
        threads=int(run.tags["hardware.cores"] if threads == "None" else threads),
        processor=run.tags["hardware.processor"],
        date=datetime.fromtimestamp(run.started / 1000, UTC).date().isoformat(),
        commit=run.tags.get("mlflow.source.git.commit", "")[:9],
        dirty=run.tags.get("git.dirty") == "true",
        run_id=run.id,
        val_accuracies=tuple(curves["val_accuracy"]),
        val_losses=tuple(curves["val_loss"]),
        **values,
    )
