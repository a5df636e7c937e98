"""Best validation accuracy after a time from a cold start, against what others would search with.

Options: `--seconds 60 300 --seeds 3 --only processes bare`. Each search runs for the longest time,
and is looked at after each of them. It is a process of its own, and its clock starts before Python
does. A configuration counts once it is trained to the end.
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

from src.search.storage.journal import open_journal

OURS = {
    "processes": ("sweep=dnn", "executor=processes"),
    "serial": ("sweep=dnn", "executor=serial"),
    "dnn_best": ("sweep=dnn_best", "executor=processes"),  # a larger space
}
BUDGET = ("target=null", "n_trials=10000", "confirm.seeds=0", "refit.seeds=0")
KINDS = (*OURS, "bare", "lightning", "sklearn")
ROOT = Path(__file__).resolve().parents[2]
SHUTDOWN_TIMEOUT_S = 120  # to end trials and write the report, which does not count

Reached = list[tuple[float, float]]
"""Seconds from the start, and validation accuracy, of each configuration trained to the end."""


def main(*, seconds: list[int], seeds: int, only: list[str]) -> None:
    """Print each searcher's best accuracy by seed, in turn, and the configurations it trained."""
    print(f"best validation accuracy after a cold start, {seeds} seeds, 15,000 rows")
    found: dict[str, list[Reached]] = {kind: [] for kind in only}
    for seed in range(1, seeds + 1):
        for kind in only:
            search = ours if kind in OURS else reference
            found[kind].append(search(kind, max(seconds), seed))
            good = next((f"{at:.1f} s" for at, acc in found[kind][-1] if acc >= 0.95), "never")
            said = "".join(f"  {_best(found[kind][-1], s):.4f} after {s} s" for s in seconds)
            trained = len(found[kind][-1])
            print(
                f"  {kind:<10} seed {seed}:{said}, {trained} trained, 0.95 after {good}", flush=True
            )
    for kind, runs in found.items():
        for s in seconds:
            best = [_best(run, s) for run in runs]
            spread = f"{min(best):.4f} to {max(best):.4f}"
            print(f"  {kind:<10} after {s:>3} s: mean {mean(best):.4f} ({spread})")


def _best(reached: Reached, seconds: int) -> float:
    return max((accuracy for at, accuracy in reached if at <= seconds), default=0.0)


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
            within_s=seconds + SHUTDOWN_TIMEOUT_S,
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
        _run(command, within_s=seconds + SHUTDOWN_TIMEOUT_S, env={"BEGAN": str(time())})
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
    parser.add_argument("--seconds", type=int, nargs="+", default=[60])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    main(**vars(parser.parse_args()))
