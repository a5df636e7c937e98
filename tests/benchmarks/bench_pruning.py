"""Which trials to end early, or to set aside: policies replayed on recorded learning curves.

`record FILE --configurations 240` draws configurations of `sweeps/dnn.yaml` at random, with
`--narrow` of the part of it that good ones lie in, and trains each to its end on one thread, on one
sample and split of MNIST; after every epoch it notes seconds of the processor, the accuracy on the
validation images, and on the 40,000 images that the sample leaves untouched. `replay FILE --seconds
60 180 --trials 15 30` lets two workers search in random orders, again and again, each order under
every policy, and says what the configuration with the best last epoch reaches on the untouched
images.
"""

import argparse
import heapq
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from time import process_time
from typing import Any, final

import numpy as np
import optuna

from src.search.halving import SuccessiveHalving
from tests.benchmarks.references import EPOCHS, draw, epochs_of, rows

TARGET = 0.95
WORKERS = 2
START_S = 0.5
"""What a trial takes beside its epochs, and a trial that was set aside when it goes on."""
RUNGS = (1, 3, 9)
"""Epochs after which the paused policy sets a trial aside."""
KEPT_OF = 3
"""Of so many that came to a rung, one goes on."""


@final
@dataclass(frozen=True)
class Curve:
    """One configuration: of every epoch seconds, validation accuracy, that on untouched images.

    made: what was trained, as `references.draw` gives it.
    """

    made: dict[str, Any]
    seconds: list[float]
    accuracy: list[float]
    untouched: list[float]


def read_curves(file: Path) -> list[Curve]:
    """Return what was recorded."""
    return [Curve(**json.loads(line)) for line in file.read_text().splitlines()]


def draw_narrow(number: int) -> dict[str, Any]:
    """Return a configuration of the part of the space that good ones lie in."""
    drawn = np.random.default_rng(1000 + number)
    depth = int(drawn.choice([1, 1, 2, 2, 3]))
    return {
        "sizes": [int(2 ** drawn.uniform(6, 10)) for _ in range(depth)],
        "lr": 10 ** drawn.uniform(-3.3, -1.7),
        "dropout": drawn.uniform(0, 0.6),
        "batch_size": int(2 ** drawn.uniform(5, 9)),
    }


def record(file: Path, *, configurations: int, seed: int, narrow: bool) -> None:
    """Append curves to a file, a line each, until it has as many as wanted."""
    import torch

    from tests.benchmarks.bench_race import untouched

    torch.set_num_threads(1)
    train_x, train_y, val_x, val_y = map(torch.from_numpy, rows(seed))
    pixels, labels = untouched(seed)
    rest_x = torch.from_numpy(pixels.reshape(len(pixels), -1).astype(np.float32) / 255)
    rest_y = torch.from_numpy(labels)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    known = len(file.read_text().splitlines()) if file.exists() else 0
    for number in range(configurations):
        made = draw_narrow(number) if narrow else draw(study.ask())
        if number < known:
            continue
        torch.manual_seed(number)
        curve, began = Curve(made, [], [], []), process_time()
        for net in epochs_of(made, train_x, train_y):
            with torch.no_grad():
                curve.accuracy.append((net(val_x).argmax(1) == val_y).float().mean().item())
                curve.seconds.append(process_time() - began)
                curve.untouched.append((net(rest_x).argmax(1) == rest_y).float().mean().item())
            began = process_time()
        with file.open("a") as lines:
            print(json.dumps(curve.__dict__), file=lines)


@final
@dataclass
class Trial:
    """One configuration in a search: its epochs so far, None where it is not to go on."""

    curve: Curve
    epochs: int = 0
    over: bool = False
    asked: optuna.Trial | None = None


class Policy(ABC):
    """Says what a free worker does next, and after each epoch whether its trial goes on."""

    def __init__(self, waiting: Iterator[Curve]) -> None:
        self.waiting = waiting
        self.trials: list[Trial] = []

    def next(self) -> Trial | None:
        """Return the trial for a worker that has none; by default a new one."""
        curve = next(self.waiting, None)
        if curve is None:
            return None
        self.trials.append(Trial(curve))
        return self.trials[-1]

    @abstractmethod
    def goes_on(self, trial: Trial) -> bool:
        """Tell whether a trial that is not at its end trains another epoch at once."""


@final
class Pruned(Policy):
    """One of Optuna's pruners, which ends a trial for good."""

    def __init__(self, waiting: Iterator[Curve], pruner: optuna.pruners.BasePruner) -> None:
        super().__init__(waiting)
        self._study = optuna.create_study(direction="maximize", pruner=pruner)

    def next(self) -> Trial | None:
        """Return a new trial, asked of the study."""
        trial = super().next()
        if trial is not None:
            trial.asked = self._study.ask()
        return trial

    def goes_on(self, trial: Trial) -> bool:
        """Report the epoch and ask the pruner."""
        assert trial.asked is not None
        trial.asked.report(trial.curve.accuracy[trial.epochs - 1], trial.epochs)
        if trial.epochs < EPOCHS and trial.asked.should_prune():
            trial.over = True
            self._study.tell(trial.asked, state=optuna.trial.TrialState.PRUNED)
        elif trial.epochs == EPOCHS:
            self._study.tell(trial.asked, trial.curve.accuracy[-1])
        return not trial.over


@final
class Paused(Policy):
    """Sets trials aside at `RUNGS`; the best of a rung go on, from the highest rung down."""

    def __init__(self, waiting: Iterator[Curve]) -> None:
        super().__init__(waiting)
        self._rungs: dict[int, list[Trial]] = {rung: [] for rung in RUNGS}

    def next(self) -> Trial | None:
        """Return the best trial that may go on, else a new one."""
        for rung, trials in reversed(self._rungs.items()):
            ranked = sorted(trials, key=lambda t: -t.curve.accuracy[rung - 1])
            for trial in ranked[: len(ranked) // KEPT_OF]:
                if trial.epochs == rung:
                    return trial
        return super().next()

    def goes_on(self, trial: Trial) -> bool:
        """Set the trial aside at a rung."""
        if trial.epochs in self._rungs:
            self._rungs[trial.epochs].append(trial)
        return trial.epochs not in self._rungs


def policies() -> dict[str, Callable[[Iterator[Curve]], Policy]]:
    """Return what is replayed, by name; the first is what the others are compared with."""
    pruners = optuna.pruners

    def pruned(pruner: optuna.pruners.BasePruner) -> Callable[[Iterator[Curve]], Policy]:
        return lambda waiting: Pruned(waiting, pruner)

    def percentile(kept: float) -> optuna.pruners.BasePruner:
        return pruners.PercentilePruner(
            kept, n_startup_trials=4, n_warmup_steps=3, interval_steps=3
        )

    return {
        "none": pruned(pruners.NopPruner()),
        "best 90 % at every third epoch": pruned(percentile(90.0)),
        "best 50 % at every third epoch": pruned(percentile(50.0)),
        "best 25 % at every third epoch": pruned(percentile(25.0)),
        "median at every epoch from 3": pruned(pruners.MedianPruner(4, 2)),
        "successive halving from epoch 1": pruned(SuccessiveHalving(first_epoch=1)),
        "successive halving from epoch 2": pruned(SuccessiveHalving()),
        f"paused at {', '.join(map(str, RUNGS))}": Paused,
    }


@final
@dataclass(frozen=True)
class Found:
    """What a search came to.

    untouched: accuracy of the winner, 0..1: the configuration at its end whose last epoch is the
    best; where none came to its end in time, one that came furthest. begun, ended: trials.
    reached_s: when one first ended with `TARGET`, infinite where none did.
    """

    untouched: float
    begun: int
    ended: int
    reached_s: float


def search(policy: Policy, seconds: float) -> Found:
    """Search with the policy for so many seconds."""
    reached_s = math.inf
    free: list[tuple[float, int, Trial | None]] = [(0.0, number, None) for number in range(WORKERS)]
    while free:
        now, worker, trial = heapq.heappop(free)
        began = trial is None
        trial = trial or policy.next()
        if trial is None:
            continue
        trial.epochs, before = trial.epochs + 1, trial.epochs
        now += trial.curve.seconds[before] + START_S * began
        if now > seconds:
            trial.epochs = before
            continue
        on = policy.goes_on(trial) and trial.epochs < EPOCHS
        if trial.epochs == EPOCHS and trial.curve.accuracy[-1] >= TARGET:
            reached_s = min(reached_s, now)
        heapq.heappush(free, (now, worker, trial if on else None))
    begun = [trial for trial in policy.trials if trial.epochs]
    best = max(begun, key=lambda t: (t.epochs, t.curve.accuracy[t.epochs - 1]))
    ended = sum(trial.epochs == EPOCHS for trial in begun)
    return Found(best.curve.untouched[best.epochs - 1], len(begun), ended, reached_s)


def replay(file: Path, *, seconds: list[float], trials: list[int], orders: int) -> None:
    """Print a line a policy and budget: what its winners reach, and the difference to the first."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = read_curves(file)
    best = max(curve.untouched[-1] for curve in curves)
    print(f"{len(curves)} configurations, the best of them {best:.4f}; {orders} orders")
    budgets = [(f"{limit:.0f} s", limit, len(curves)) for limit in seconds]
    budgets += [(f"{count} trials", math.inf, count) for count in trials]
    for budget, limit, count in budgets:
        first: np.ndarray | None = None
        for name, make in policies().items():
            drawn = np.random.default_rng(0)
            found = []
            for _ in range(orders):
                order = drawn.permutation(len(curves))[:count]
                found.append(search(make(iter([curves[number] for number in order])), limit))
            untouched = np.array([run.untouched for run in found])
            first = untouched if first is None else first
            gain, error = (untouched - first).mean(), (untouched - first).std() / orders**0.5
            print(
                f"{budget:<10}{name:<34}{untouched.mean():.4f}  difference {gain:+.4f} "
                f"(standard error {error:.4f})  {mean(run.begun for run in found):5.1f} begun, "
                f"{mean(run.ended for run in found):5.1f} ended  {TARGET} after "
                f"{median(run.reached_s for run in found):.0f} s",
                flush=True,
            )


def main() -> None:
    """Record or replay, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "replay"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--configurations", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--seconds", type=float, nargs="*", default=[60.0, 180.0])
    parser.add_argument("--trials", type=int, nargs="*", default=[15, 30])
    parser.add_argument("--orders", type=int, default=200)
    given = parser.parse_args()
    if given.what == "record":
        count, seed, narrow = given.configurations, given.seed, given.narrow
        record(given.file, configurations=count, seed=seed, narrow=narrow)
    else:
        replay(given.file, seconds=given.seconds, trials=given.trials, orders=given.orders)


if __name__ == "__main__":
    main()
