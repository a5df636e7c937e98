"""The race: what a search of so many seconds hands over, judged by images that no search ever saw.

Options: `--seconds 60 --seeds 10 --first 1 --only ours bare`. `mnist_20k` leaves 40,000 of the
official training images untouched; on them the models are scored, with a standard error of 0.0008
at 0.97. Every search is a process of its own with a cold start, its clock starts before Python
does; all have the same space, none knows a configuration. Each seed is another sample and split.
Ours refits three times, and is scored both by the first of the three and by their mean. `--draw
PICTURE --logs FILE ...` draws what was printed, a panel a file, instead of racing.
"""

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import time
from typing import Any, final

import numpy as np
from optuna import load_study
from optuna.trial import TrialState

from src.config.settings import Tracking
from src.data.mnist import Mnist
from src.figures.style import BLUE, GRID, INK, MUTED, new_figure, save_figure, style_axes
from src.models.predictor import load_predictor
from src.search.storage.journal import open_journal
from src.stats.intervals import t_interval
from src.tracking.connection import connect
from src.tracking.queries import CHECKPOINT, StoredRuns
from tests.benchmarks.references import refit

OURS = "ours"
KINDS = (OURS, "bare", "lightning", "sklearn")
REFITS = 3
ROOT = Path(__file__).resolve().parents[2]
SEARCHING = {60: 30, 300: 240}
"""Of so many seconds, those that ours has for trials, so that its refits end in time."""
SHUTDOWN_TIMEOUT_S = 240.0


@final
@dataclass(frozen=True)
class Raced:
    """What one search came to; accuracies, 0..1, on the untouched images but for `search`.

    search: the best trial's on the validation images, by which it was chosen. best, first: that
    trial, and the first that was finished. refitted: the configuration that is handed over,
    trained once on all rows. mean: three such networks together, where the search makes them, else
    its best trial. reached_s: when a finished trial first had 0.95, None: never.
    """

    search: float
    best: float
    first: float
    refitted: float
    mean: float
    trials: int
    reached_s: float | None
    seconds: float


def main(*, seconds: int, seeds: int, first: int, only: list[str]) -> None:
    """Run the searches in turn and print what each came to, then the differences."""
    found: dict[str, list[Raced]] = {kind: [] for kind in only}
    for seed in range(first, first + seeds):
        for kind in only:
            found[kind].append(
                ours(seconds, seed) if kind == OURS else reference(kind, seconds, seed)
            )
            print(f"{kind:<10} seed {seed:>2}  {_row(found[kind][-1])}", flush=True)
    print()
    for kind, runs in found.items():
        print(f"{kind:<10} mean     {_means(runs)}")
    for kind in found.keys() - {OURS} if OURS in found and seeds > 1 else ():
        _compare(found[OURS], kind, found[kind])


def _row(run: Raced) -> str:
    reached = "never" if run.reached_s is None else f"{run.reached_s:.1f} s"
    return (
        f"best {run.best:.4f} (said {run.search:.4f})  refitted {run.refitted:.4f}  mean "
        f"{run.mean:.4f}  first {run.first:.4f}  {run.trials:>3} trials  0.95 after {reached}  "
        f"ended {run.seconds:.0f} s"
    )


def _means(runs: list[Raced]) -> str:
    reached = [run.reached_s for run in runs if run.reached_s is not None]
    worse = sum(run.mean < run.first for run in runs)
    said = "  ".join(
        f"{name} {mean(getattr(run, name) for run in runs):.4f}"
        for name in ("best", "refitted", "mean", "first")
    )
    return (
        f"{said}  overtuning {mean(run.search - run.best for run in runs):+.4f}  "
        f"{mean(run.trials for run in runs):.1f} trials  0.95 after "
        f"{mean(reached) if reached else float('nan'):.1f} s ({len(reached)} of {len(runs)})  "
        f"worse than its first {worse}"
    )


def _compare(runs: list[Raced], kind: str, others: list[Raced]) -> None:
    alike = (("best", "best"), ("refitted", "refitted"))
    for own, other in (*alike, ("refitted", "best"), ("mean", "best")):
        pairs = zip(runs, others, strict=True)
        gains = [getattr(run, own) - getattr(rival, other) for run, rival in pairs]
        low, high = t_interval(gains)
        print(
            f"our {own} less {kind}'s {other}: {mean(gains):+.4f} (95 % interval {low:+.4f} to "
            f"{high:+.4f}, {len(gains)} seeds)"
        )


def draw(picture: Path, logs: list[Path]) -> None:
    """Draw what ours and the bare loop handed over, a dot a seed with their means, as a PNG."""
    shown = ("bare best", "ours best", "ours refitted", "ours mean")
    words = (
        "bare loop:\nbest trial",
        "ours:\nbest trial",
        "ours: one\nrefitted",
        "ours: mean\nof three",
    )
    figure = new_figure(width_px=420 * len(logs), height_px=320)
    for axes, log in zip(figure.subplots(1, len(logs), squeeze=False)[0], logs, strict=True):
        seeds: dict[str, dict[str, float]] = {}
        for kind, seed, rest in re.findall(
            r"^(ours|bare) +seed +(\d+) +(.*)$", log.read_text(), re.M
        ):
            for name, value in re.findall(r"(best|refitted|mean) (0\.\d+)", rest):
                seeds.setdefault(seed, {})[f"{kind} {name}"] = float(value)
        table = np.array([[found[name] for name in shown] for found in seeds.values()])
        axes.plot(table.T, color=GRID, linewidth=1)
        for place, column in enumerate(table.T):
            colour = MUTED if place == 0 else BLUE
            axes.plot([place] * len(column), column, "o", color=colour, markersize=4)
            axes.hlines(column.mean(), place - 0.25, place + 0.25, color=INK, linewidth=2)
            axes.annotate(f"{column.mean():.4f}", (place + 0.28, column.mean()), fontsize=7)
        axes.set_xticks(range(len(shown)), words)
        axes.set_xlim(-0.5, len(shown) - 0.3)
        title = f"{log.stem}, {len(table)} seeds"
        style_axes(axes, title=title, x_label="", y_label="accuracy on 40,000 untouched images")
    figure.tight_layout()
    save_figure(figure, picture)


def untouched(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels uint8 `[40000, 1, 28, 28]` and labels of what no search of this seed sees."""
    pool, _ = Mnist().read_pool()
    seen = np.random.default_rng(seed).choice(len(pool), size=20_000, replace=False)
    sample, _ = Mnist(rows=20_000, sample_seed=seed).read_pool()
    if not np.array_equal(pool.take(np.sort(seen)).pixels, sample.pixels):
        raise AssertionError("the sample is drawn in another way now")
    rest = pool.take(np.setdiff1d(np.arange(len(pool)), seen))
    return rest.pixels, rest.labels


def ours(seconds: int, seed: int) -> Raced:
    """Search with `src.sweep`, refits included in the time."""
    with tempfile.TemporaryDirectory() as folder:
        began = time()
        _run(
            [
                *("-m", "src.sweep", "sweep=dnn", "executor=processes", "name=raced"),
                *("target=null", "n_trials=10000", f"refit.seeds={REFITS}", "confirm.seeds=0"),
                f"seed={seed}",
                *(f"data.sample_seed={seed}", f"data.split_seed={seed}"),
                *(f"timeout_minutes={SEARCHING[seconds] / 60}", f"tracking.folder={folder}"),
            ],
            within_s=seconds + SHUTDOWN_TIMEOUT_S,
        )
        ended = time() - began
        study = load_study(study_name="raced", storage=open_journal(Path(folder)))
        trials = study.get_trials(states=[TrialState.COMPLETE])
        trials.sort(key=lambda trial: trial.datetime_complete)
        best = max(trials, key=lambda trial: trial.values[0])
        summary = json.loads(Path(folder, "sweeps", "raced", "summary.json").read_text())
        stored = StoredRuns(connect(Tracking(folder=Path(folder))))
        handed_over = stored.find(summary["handed_over"], key="model")
        ids = {
            "best": best.user_attrs["run_id"],
            "first": trials[0].user_attrs["run_id"],
            "refitted": handed_over.tags["ensemble.members"].split(", ")[0],
            "mean": handed_over.id,
        }
        pixels, labels = untouched(seed)
        scores: dict[str, float] = {}
        for name, run_id in ids.items():
            model = load_predictor(stored.file(run_id, CHECKPOINT, Path(folder)))
            scores[name] = _right(model.predict(pixels), labels)
        ends = [t.datetime_complete.timestamp() - began for t in trials if t.values[0] >= 0.95]
    return Raced(
        **scores,
        search=best.values[0],
        trials=len(trials),
        reached_s=min(ends, default=None),
        seconds=ended,
    )


def reference(kind: str, seconds: int, seed: int) -> Raced:
    """Search with one of `references.py`, which hands over its best trial.

    Its refit, for comparison alone, is made after the time.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "tests.benchmarks.references", kind, str(seconds), str(seed), folder]
        _run(command, within_s=seconds + SHUTDOWN_TIMEOUT_S, env={"BEGAN": str(time())})
        lines = [line.split() for line in Path(folder, "reached").read_text().splitlines()]
        model, made = pickle.loads(Path(folder, "best.pkl").read_bytes())
        first, _ = pickle.loads(Path(folder, "first.pkl").read_bytes())
    pixels, labels = untouched(seed)
    best = _right(_answers(model, pixels), labels)
    again = best if kind == "sklearn" else _right(_answers(refit(made, seed), pixels), labels)
    return Raced(
        search=max(float(accuracy) for _, accuracy in lines),
        best=best,
        first=_right(_answers(first, pixels), labels),
        refitted=again,
        mean=best,
        trials=len(lines),
        reached_s=min((float(at) for at, a in lines if float(a) >= 0.95), default=None),
        seconds=seconds,
    )


def _answers(model: Any, pixels: np.ndarray) -> np.ndarray:
    """Return the scores of every class, of a network or a classifier of scikit-learn."""
    import torch

    rows = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)
    with torch.inference_mode():
        return model(torch.from_numpy(rows)).numpy()


def _right(scores: np.ndarray, labels: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == labels).mean())


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
    parser.add_argument("--seconds", type=int, choices=SEARCHING, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=[OURS, "bare"])
    parser.add_argument("--draw", type=Path, metavar="PICTURE")
    parser.add_argument("--logs", type=Path, nargs="+", default=[])
    given = vars(parser.parse_args())
    picture, logs = given.pop("draw"), given.pop("logs")
    if picture:
        draw(picture, logs)
    else:
        main(**given)
