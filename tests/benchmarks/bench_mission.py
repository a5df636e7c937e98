"""The mission over seeds: `sweep=dnn executor=processes` from a cold start to its verdict.

Options: `--seeds 20`. Of each seed, which is another sample and split: finished trials and seconds
to the first 0.95 and to the verdict, whether the first trial reached it, and whether the trial that
did was proposed by TPE from what it had learned, or drawn at random as the first ones are.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import mean, median

from optuna import load_study
from optuna.trial import TrialState

from src.search.storage.journal import open_journal
from tests.benchmarks.measure import command_seconds

TARGET = 0.95
STARTUP_TRIALS = 4
"""Finished before TPE proposes, `n_startup_trials` of conf/sampler/tpe.yaml."""


def main(*, seeds: int) -> None:
    """Print a line a seed and what they have in common."""
    found = [_search(seed) for seed in range(1, seeds + 1)]
    finished, wall = ([run[key] for run in found] for key in ("finished", "wall"))
    reached = [run for run in found if run["winner"] is not None]
    print(f"reached by {len(reached)} of {seeds}")
    print(f"finished trials: median {median(finished)}, {min(finished)} to {max(finished)}")
    print(
        f"seconds to the verdict: mean {mean(wall):.1f}, median {median(wall):.1f}, "
        f"{min(wall):.1f} to {max(wall):.1f}"
    )
    print(f"by trial 0: {sum(run['winner'] == 0 for run in reached)}")
    print(f"proposed by TPE: {sum(run['learned'] for run in reached)}")
    print(f"verdict reached: {sum(run['verdict'] == 'reached' for run in found)}")


def _search(seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        wall = command_seconds(
            *("-m", "src.sweep", "sweep=dnn", "executor=processes", f"seed={seed}"),
            *(f"data.sample_seed={seed}", f"data.split_seed={seed}", f"tracking.folder={folder}"),
        )
        study = load_study(study_name="dnn", storage=open_journal(Path(folder)))
        summary = json.loads(Path(folder, "sweeps", "dnn", "summary.json").read_text())
        trials = study.get_trials(deepcopy=False)
    finished = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    reached = [t for t in finished if t.state == TrialState.COMPLETE and t.values[0] >= TARGET]
    winner = min(reached, key=lambda trial: trial.datetime_complete, default=None)
    before = [t for t in finished if winner and t.datetime_complete <= winner.datetime_start]
    found = {
        "finished": len(finished),
        "winner": winner.number if winner else None,
        "learned": len(before) >= STARTUP_TRIALS,
        "verdict": summary["verdict"]["answer"],
        "wall": wall,
    }
    print(
        f"seed {seed:>2}  {found['finished']:>2} finished, trial {found['winner']} had 0.95; "
        f"{found['verdict']}, {wall:.1f} s",
        flush=True,
    )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    main(**vars(parser.parse_args()))
