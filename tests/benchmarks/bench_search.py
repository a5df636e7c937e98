"""A search: overhead per trial, two workers against one, the whole of `sweep=dnn`."""

import json
import tempfile
from pathlib import Path
from statistics import median

import optuna

from src.search.study import open_storage
from tests.benchmarks.bench_training import IMPORTS
from tests.benchmarks.measure import alternate, command_seconds, say

FIXED = ("target=null", "pruner=none", "confirm.seeds=0", "trainer.max_epochs=5", "sampler=random")


def main() -> None:
    """Print every measurement of a search."""
    overhead()
    workers()
    mission()


def sweep(*overrides: str) -> dict[str, float]:
    """Run a sweep in a folder of its own; return its wall and worker seconds."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("-m", "src.sweep", f"tracking.folder={folder}", *overrides)
        wall = command_seconds(*arguments)
        [report] = Path(folder, "sweeps").glob("*/summary.json")
        summary = json.loads(report.read_text())
        study = optuna.load_study(study_name=summary["name"], storage=open_storage(Path(folder)))
        trials = study.get_trials(deepcopy=False)
        complete = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
        pruned = [t for t in trials if t.state == optuna.trial.TrialState.PRUNED]
        return {
            "wall": wall,
            "search": summary["seconds"],
            "utilisation": summary["utilisation"],
            "span": (
                max(t.datetime_complete for t in complete)
                - sorted(t.datetime_start for t in trials)[1]
            ).total_seconds(),
            "overhead": median(_overhead(t) for t in complete[1:]),
            "pruned": median([_duration(t) for t in pruned] or [0.0]),
            "pruned_share": len(pruned) / len(trials),
        }


def _duration(trial: optuna.trial.FrozenTrial) -> float:
    assert trial.duration is not None
    return trial.duration.total_seconds()


def _overhead(trial: optuna.trial.FrozenTrial) -> float:
    return _duration(trial) - trial.user_attrs["seconds"]


def overhead() -> None:
    """Seconds of a finished trial that are not training, pictures included."""
    print("overhead per finished trial in a warm worker, pictures included, 5 epochs, serial")
    result = sweep("sweep=dnn", "n_trials=12", *FIXED)
    print(f"  median {result['overhead']:.2f} s beside its training")


def workers() -> None:
    """Trials a minute of two workers of one thread against one worker of two."""
    print("two workers of one thread against one of two, 13 trials of uneven length")
    space = ("sweep=dnn", "n_trials=13", *FIXED)
    results = {
        "serial": [sweep(*space, "executor=serial") for _ in range(3)],
        "processes": [sweep(*space, "executor=processes", "executor.workers=2") for _ in range(3)],
    }
    rate = {name: [12 / run["span"] * 60 for run in runs] for name, runs in results.items()}
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
