"""What executors cost per trial, and how many trials a second one driver can hand out.

`python -m tests.benchmarks.bench_executors`; Ray is left out where it is not installed.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final
from unittest import mock

from src.search.executors.local import Executor
from src.search.executors.processes import Processes
from src.search.executors.ray import Ray
from src.search.executors.ray_actor import Actor
from tests.benchmarks.bench_driver import pretend, search

WORKERS = (1, 2, 4, 8)
N_TRIALS = 120
LEFT_OUT = 20
"""First trials, while workers still start and the sampler draws at random."""


def serve(connection: Connection, number: int) -> None:
    """Serve the driver in a process, in place of a real worker."""
    pretend(connection)


class PretendingActor(Actor):  # type: ignore[misc]  # final for everybody else
    """A Ray actor whose worker trains nothing."""

    def _work(self) -> None:
        pretend(self._mailbox)


@final
class Kind:
    """An executor by name, and how to build it with workers that train nothing."""

    def __init__(self, name: str, target: str, stand_in: object, build: type[Executor]) -> None:
        self.name = name
        self._target, self._stand_in, self._build = target, stand_in, build

    @contextmanager
    def running(self, workers: int) -> Iterator[Executor]:
        """Hold an executor whose workers are all ready."""
        with mock.patch(self._target, self._stand_in):
            executor = self._build(workers=workers)  # type: ignore[call-arg]
            executor.start()
            try:
                while len(executor.idle) < workers:
                    executor.wait(1.0)
                yield executor
            finally:
                executor.close()


KINDS = (
    Kind("processes", "src.search.executors.processes._serve", serve, Processes),
    Kind("ray", "src.search.executors.ray.Actor", PretendingActor, Ray),
)


def main(repeats: int = 3) -> None:
    """Print trials a second by executor and number of workers, and what follows from it."""
    print(f"trials that train nothing, 3 epochs each, TPE; trials {LEFT_OUT} to {N_TRIALS}, driver")
    print(f"and workers on this machine; best of {repeats}, and all")
    for kind in KINDS[: 2 if find_spec("ray") else 1]:
        most = 0.0
        for workers in WORKERS:
            rates = sorted(_rate(kind, workers) for _ in range(repeats))
            most = max(most, rates[-1])
            shown = ", ".join(f"{rate:.1f}" for rate in rates)
            print(
                f"  {kind.name:<10}{workers} workers {rates[-1]:6.1f} trials/s "
                f"{1000 / rates[-1]:7.1f} ms a trial   ({shown})",
                flush=True,
            )
        print(f"  {kind.name:<10}feeds {60 * most:,.0f} workers with trials of one minute")


def _rate(kind: Kind, workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder, kind.running(workers) as executor:
        times = search(executor, Path(folder), n_trials=N_TRIALS)
    return (N_TRIALS - LEFT_OUT) / (times[-1] - times[LEFT_OUT - 1])


if __name__ == "__main__":
    main()
