"""A search: overhead per trial, two workers against one, the whole of `sweep=dnn`."""

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from mlflow import MlflowClient
from optuna.trial import FrozenTrial, TrialState

from src.search.storage.journal import open_journal
from src.search.study import finished_trials
from tests.benchmarks.bench_training import IMPORTS
from tests.benchmarks.measure import alternate, command_seconds, say

FIXED = (
    "target=null",
    "confirm.seeds=0",
    "refit.seeds=0",
    "trainer.max_epochs=5",
    "sampler=random",
)


def main() -> None:
    """Print every measurement of a search."""
    overhead()
    workers()
    mission()


def sweep(*overrides: str) -> dict[str, Any]:
    """Run a sweep in a folder of its own; return its seconds, of all of it and by trial.

    complete, pruned: what each trial but the first took beside its training epochs.
    """
    with tempfile.TemporaryDirectory() as folder:
        wall = command_seconds("-m", "src.sweep", f"tracking.folder={folder}", *overrides)
        [report] = Path(folder, "sweeps").glob("*/summary.json")
        summary = json.loads(report.read_text())
        study = optuna.load_study(study_name=summary["name"], storage=open_journal(Path(folder)))
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        trials = finished_trials(study)[1:]  # the first one waits for the libraries
        beside = {trial.number: _beside_training(trial, client) for trial in trials}
        return {
            "wall": wall,
            "utilisation": summary["utilisation"],
            "trials": trials,
            "complete": [beside[t.number] for t in trials if t.state == TrialState.COMPLETE],
            "pruned": [beside[t.number] for t in trials if t.state == TrialState.PRUNED],
        }


def _trials_a_minute(trials: list[FrozenTrial]) -> float:
    """Count from the start of the second trial, when all workers are warm."""
    span = max(t.datetime_complete for t in trials) - trials[0].datetime_start
    return len(trials) / span.total_seconds() * 60


def _beside_training(trial: FrozenTrial, client: MlflowClient) -> float:
    epochs = client.get_run(trial.user_attrs["run_id"]).data.metrics["seconds/training"]
    assert trial.duration is not None
    return trial.duration.total_seconds() - epochs


def overhead() -> None:
    """Seconds of a trial that are not training, pictures included."""
    print("a trial in a warm worker beside its training epochs, serial, 40 trials of 5 epochs")
    pruning = ("pruner=median", "pruner.n_warmup_steps=1")
    result = sweep("sweep=dnn", "n_trials=40", *FIXED, *pruning)
    say(f"finished, pictures included ({len(result['complete'])} trials)", result["complete"])
    say(f"pruned ({len(result['pruned'])} trials)", result["pruned"])


def workers() -> None:
    """Trials a minute of two workers of one thread against one worker of two."""
    print("two workers of one thread against one of two, 13 trials of uneven length")
    space = ("sweep=dnn", "n_trials=13", "pruner=none", *FIXED)
    kinds = {"serial": ["executor=serial"], "processes": ["executor=processes"]}
    results: dict[str, list] = {kind: [] for kind in kinds}
    for _ in range(3):
        for kind, executor in kinds.items():
            results[kind].append(sweep(*space, *executor))
    rate = {k: [_trials_a_minute(run["trials"]) for run in runs] for k, runs in results.items()}
    for name, values in rate.items():
        print(
            f"  {name:<12}{median(values):6.1f} trials a minute ({min(values):.1f} to "
            f"{max(values):.1f}), utilisation "
            f"{median(run['utilisation'] for run in results[name]):.2f}"
        )
    print(f"  ratio {median(rate['processes']) / median(rate['serial']):.2f}")


def mission() -> None:
    """From a cold start to the verdict."""
    print("sweep=dnn, cold start to verdict (charts, test look and export included)")
    seconds = alternate(
        {
            "imports": lambda: command_seconds("-c", IMPORTS),
            "serial": lambda: sweep("sweep=dnn")["wall"],
            "processes": lambda: sweep("sweep=dnn", "executor=processes")["wall"],
        },
        repeats=3,
    )
    say("import of the libraries", seconds["imports"])
    say("src.sweep sweep=dnn", seconds["serial"], seconds["imports"])
    say("src.sweep sweep=dnn executor=processes", seconds["processes"], seconds["imports"])


if __name__ == "__main__":
    main()
