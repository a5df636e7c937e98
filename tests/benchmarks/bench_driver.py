"""What the driver itself costs per trial, as the study grows: a worker that trains nothing."""

import tempfile
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter, sleep
from typing import Any, final

import optuna

from src.cli.overrides import conf_open
from src.config.plan import Component
from src.process.signals import StopRequest
from src.search.composer import Composer
from src.search.driver import Driver
from src.search.executors.base import Executor, Worker
from src.search.messages import Epoch, Finished, Job, Ready, Started
from src.search.request import Request
from src.search.session import Session
from src.search.settings import SweepSettings
from src.search.space import make_space
from src.search.storage.journal import open_journal
from src.search.study import open_study
from src.search.usage import Usage
from src.search.worker import Channel

SPACE = {
    "model.hidden_sizes": {"layers": {"low": 1, "high": 3}, "width": {"low": 32, "high": 512}},
    "optimizer.lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "regularization.dropout": {"low": 0.0, "high": 0.5},
}
TPE = Component("sampler", "optuna.samplers.TPESampler", {"multivariate": True, "group": True})


@final
class Trivial(Executor):
    """A worker that reports three epochs and a value made up from the learning rate."""

    def __init__(self) -> None:
        super().__init__(num_workers=1)

    def _start(self, number: int) -> Worker:
        ours, theirs = Pipe()
        thread = Thread(target=pretend, args=(theirs,), daemon=True)
        thread.start()
        return Worker(number, ours, thread)

    def _end(self, worker: Worker) -> None:
        worker.handle.join()


@final
class _Clock:
    """A screen that only notes when trials end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def trial(self, number: int, **_: object) -> None:
        self.times.append(perf_counter())

    def progress(self, **_: object) -> None:
        pass


def pretend(connection: Channel, *, seconds: float = 0.0) -> None:
    """Serve the driver as a worker does, but train nothing; a trial sleeps so long."""
    connection.send(Ready())
    try:
        while True:
            job = connection.recv()
            if not isinstance(job, Job):
                continue
            connection.send(Started("run", 1))
            value = 1 - abs(job.plan.optimizer.arguments["lr"] - 0.01)
            for epoch in (1, 2, 3):
                sleep(seconds / 3)
                connection.send(Epoch(epoch, value))
                connection.recv()
            values = {"val_accuracy": value, "val_loss": 1.0, "parameters": 1.0, "seconds": 0.0}
            connection.send(Finished("run", values, 3))
    except (EOFError, OSError):
        return


def drive(
    executor: Executor,
    folder: Path,
    *,
    n_trials: int,
    screen: Any,
    sampler: Component = TPE,
    store: Any = None,
    parent: str = "parent",
) -> None:
    """Let the real driver search with these workers; the journal in `folder` names it `many`."""
    with conf_open():
        composer = Composer("sweep", [], threads=1)
        request = Request(
            name="many",
            settings=SweepSettings(n_trials=n_trials),
            space=make_space(SPACE),
            composer=composer,
            executor=Component("executor", "none", {}),
            sampler=sampler,
            pruner=Component("pruner", "optuna.pruners.NopPruner", {}),
            plan=composer.plan({}, seed=1, name="base"),
        )
        study = open_study(
            open_journal(folder),
            request.name,
            settings=request.settings,
            space=request.space,
            definition={},
            sampler=request.sampler,
            pruner=request.pruner,
        )
        study.set_user_attr("parent", parent)
        usage = Usage(study, executor)
        session = Session(request, study, executor, store, parent, usage, screen, StopRequest())
        Driver(session).run()


def search(executor: Executor, folder: Path, *, n_trials: int) -> list[float]:
    """Search with these workers; return when each trial ended, in seconds."""
    clock = _Clock()
    drive(executor, folder, n_trials=n_trials, screen=clock)
    return clock.times


def main(n_trials: int = 1_000) -> None:
    """Print the driver's milliseconds per trial around 100, 1,000, ... trials."""
    import resource

    print(f"driver overhead per trial, trivial objective, TPE, to {n_trials:,} trials")
    with tempfile.TemporaryDirectory() as folder:
        executor = Trivial()
        executor.start()
        times = search(executor, Path(folder), n_trials=n_trials)
        executor.close()
        for size in (100, 1_000, 10_000):
            if size <= n_trials:
                last = times[size - 50 : size]
                steps = [b - a for a, b in pairwise(last)]
                print(f"  at {size:>6,} trials {median(steps) * 1000:8.1f} ms a trial")
        began = perf_counter()
        optuna.load_study(study_name="many", storage=open_journal(Path(folder))).trials  # noqa: B018
        print(f"  opening the journal again {perf_counter() - began:.2f} s")
    print(f"  largest memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(10_000)
