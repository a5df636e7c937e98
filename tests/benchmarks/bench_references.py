"""Best validation accuracy after a time from a cold start, against what others would search with.

Options: `--seconds 300 --seeds 3 --only processes,bare`. Each search is a process of its own, and
its clock starts before Python does. A configuration counts once it is trained to the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from time import time

from optuna import load_study
from optuna.trial import TrialState

from src.search.storage import open_journal

OURS = {
    "processes": ("sweep=dnn", "executor=processes"),
    "serial": ("sweep=dnn", "executor=serial"),
    "dnn_best": ("sweep=dnn_best", "executor=processes"),  # a larger space
}
BUDGET = ("target=null", "n_trials=10000", "confirm.seeds=0")
REFERENCES = ("bare", "lightning", "sklearn")
ROOT = Path(__file__).resolve().parents[2]
END_WITHIN_S = 120  # to end trials and write the report, which does not count

Reached = list[tuple[float, float]]
"""Seconds from the start, and validation accuracy, of each configuration trained to the end."""


def main(*, seconds: int = 60, seeds: int = 2, only: str = "") -> None:
    """Print each searcher's best accuracy by seed, in turn, and the configurations it trained."""
    kinds = only.split(",") if only else [*OURS, *REFERENCES]
    print(f"best validation accuracy {seconds} s after a cold start, {seeds} seeds, 15,000 rows")
    found: dict[str, list[Reached]] = {kind: [] for kind in kinds}
    for seed in range(1, seeds + 1):
        for kind in kinds:
            search = ours if kind in OURS else reference
            reached = [r for r in search(kind, seconds, seed) if r[0] <= seconds]
            found[kind].append(reached)
            print(f"  {kind:<10} seed {seed}: {_said(reached)}", flush=True)
    for kind, runs in found.items():
        best = [max((accuracy for _, accuracy in run), default=0.0) for run in runs]
        print(f"  {kind:<10} mean {mean(best):.4f} ({min(best):.4f} to {max(best):.4f})")


def _said(reached: Reached) -> str:
    best = max((accuracy for _, accuracy in reached), default=0.0)
    good = next((f"{at:.1f} s" for at, accuracy in reached if accuracy >= 0.95), "never")
    return f"{best:.4f}, {len(reached)} trained, 0.95 after {good}"


def ours(kind: str, seconds: int, seed: int) -> Reached:
    """Search with `src.sweep`."""
    with tempfile.TemporaryDirectory() as folder:
        began = time()
        _run(
            [
                *("-m", "src.sweep", *OURS[kind], *BUDGET, "name=measured", f"seed={seed}"),
                *(f"data.sample_seed={seed}", f"data.split_seed={seed}"),
                *(f"timeout_minutes={seconds / 60}", f"tracking.folder={folder}"),
            ],
            within_s=seconds + END_WITHIN_S,
        )
        study = load_study(study_name="measured", storage=open_journal(Path(folder)))
        trials = study.get_trials(states=[TrialState.COMPLETE])
    ends = [(t.datetime_complete.timestamp() - began, t.values[0]) for t in trials]  # type: ignore[union-attr]
    return sorted(ends)


def reference(kind: str, seconds: int, seed: int) -> Reached:
    """Search with one of `references.py`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "reached"
        output.touch()
        command = ["-m", "tests.benchmarks.references", kind, str(seconds), str(seed), str(output)]
        _run(command, within_s=seconds + END_WITHIN_S, env={"BEGAN": str(time())})
        lines = [line.split() for line in output.read_text().splitlines()]
    return [(float(at), float(accuracy)) for at, accuracy in lines]


def _run(arguments: list[str], *, within_s: float, env: dict[str, str] | None = None) -> None:
    subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=True,
        capture_output=True,
        timeout=within_s,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="")
    main(**vars(parser.parse_args()))
