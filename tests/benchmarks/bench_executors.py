"""What executors cost per trial, how many trials a second one driver hands out, and to how many.

`python -m tests.benchmarks.bench_executors [--pictures FOLDER]`; Ray is left out where it is not
installed. Workers train nothing. The second table's trials sleep for a second, so that many
workers find room on few cores: what is measured is the driver, not the machine.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import final
from unittest import mock

from src.search.executors.base import Executor
from src.search.executors.processes import Processes
from src.search.executors.ray.actor import Actor
from src.search.executors.ray.executor import Ray
from tests.benchmarks.bench_driver import pretend, search
from tests.benchmarks.measure import draw_growth

WORKERS = (1, 2, 4, 8)
SLEEPING = (1, 2, 4, 8, 16, 32, 64)
SLEEP_S = 1.0
ROUNDS = 8
N_TRIALS = 120
LEFT_OUT = 20
"""First trials, while the sampler draws at random."""


def serve(connection: Connection, number: int, *, seconds: float) -> None:
    """Serve the driver in a process, in place of a real worker."""
    pretend(connection, seconds=seconds)


class PretendingActor(Actor):  # type: ignore[misc]  # final for everybody else
    """A Ray actor whose worker trains nothing."""

    seconds = 0.0

    def _work(self) -> None:
        pretend(self, seconds=self.seconds)


class SleepingActor(PretendingActor):  # type: ignore[misc]
    """A Ray actor whose trials sleep."""

    seconds = SLEEP_S


@final
class Kind:
    """An executor by name, and how to build it with workers that train nothing.

    stand_ins: what takes the place of the target, for trials of no time and for those that sleep.
    """

    def __init__(
        self, name: str, target: str, stand_ins: tuple[object, object], build: type[Executor]
    ) -> None:
        self.name = name
        self._target, self._stand_ins, self._build = target, stand_ins, build

    @contextmanager
    def running(self, workers: int, *, asleep: bool) -> Iterator[Executor]:
        """Hold an executor whose workers are all ready."""
        with mock.patch(self._target, self._stand_ins[asleep]):
            executor = self._build(workers=workers)  # type: ignore[call-arg]
            executor.start()
            try:
                while len(executor.idle) < workers:
                    executor.wait(1.0)
                yield executor
            finally:
                executor.close()


KINDS = (
    Kind(
        "processes",
        "src.search.executors.processes._serve",
        (partial(serve, seconds=0.0), partial(serve, seconds=SLEEP_S)),
        Processes,
    ),
    Kind("ray", "src.search.executors.ray.executor.Actor", (PretendingActor, SleepingActor), Ray),
)


def main(pictures: Path | None = None, repeats: int = 3) -> None:
    """Print both tables, and what follows from them."""
    kinds = KINDS if find_spec("ray") else KINDS[:1]
    print(f"trials that train nothing, 3 epochs each, TPE; trials {LEFT_OUT} to {N_TRIALS}, driver")
    print(f"and workers on this machine; trials a second, median of {repeats} (range)")
    for kind in kinds:
        best = 0.0
        for workers in WORKERS:
            rates = [_rate(kind, workers, asleep=False) for _ in range(repeats)]
            best = max(best, median(rates))
            print(f"  {kind.name:<10}{workers:>3} workers {_said(rates)}", flush=True)
        print(f"  {kind.name:<10}feeds {60 * best:,.0f} workers with trials of one minute")
    print(f"trials that sleep {SLEEP_S:g} s; as many a second as there are workers would be ideal")
    for kind in kinds:
        points = []
        for workers in SLEEPING if kind.name == "processes" else WORKERS:
            rates = [_rate(kind, workers, asleep=True) for _ in range(repeats)]
            points.append((workers, median(rates)))
            share = median(rates) / (workers / SLEEP_S)
            said = f"{_said(rates)}  {share:.2f} of ideal"
            print(f"  {kind.name:<10}{workers:>3} workers {said}", flush=True)
        if pictures is not None and kind is KINDS[0]:
            draw(points, path=pictures / "scale_workers.png")


def _said(rates: list[float]) -> str:
    return f"{median(rates):6.2f} ({min(rates):.2f} to {max(rates):.2f})"


def _rate(kind: Kind, workers: int, *, asleep: bool) -> float:
    """Return the trials a second; of those that sleep, over rounds of one trial for each worker."""
    first, n_trials = LEFT_OUT, N_TRIALS
    if asleep:
        first = -(-LEFT_OUT // workers) * workers
        n_trials = first + ROUNDS * workers
    with tempfile.TemporaryDirectory() as folder, kind.running(workers, asleep=asleep) as executor:
        times = search(executor, Path(folder), n_trials=n_trials)
    return (n_trials - first) / (times[-1] - times[first - 1])


def draw(points: list[tuple[int, float]], *, path: Path) -> None:
    """Draw trials a second against workers as a PNG, beside the ideal."""
    workers, rates = zip(*points, strict=True)
    ideal = [number / SLEEP_S for number in workers]
    draw_growth(
        workers,
        rates,
        expected=ideal,
        label="ideal",
        ticks=ideal,
        title=f"trials a second, {SLEEP_S:g} s each, one driver",
        x_label="workers",
        y_label="trials a second",
        path=path,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    main(**vars(parser.parse_args()))
