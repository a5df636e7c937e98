"""Searches of a trivial objective through the real driver, journal and store."""

import threading
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from src.config.plan import Component
from src.config.settings import Tracking
from src.search.executors.base import Executor, Worker
from src.search.messages import Epoch, Finished, Job, Ready, Started
from src.tracking.connection import Store
from src.tracking.runs import DataDescription, start_run
from src.tracking.store import open_store
from tests.benchmarks.bench_driver import drive

DATA = DataDescription(name="none", digest="0" * 64, source="nowhere", profile={})


class Trivial(Executor):
    """One worker that trains nothing, but leaves a run with three epochs as any worker does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        super().__init__(num_workers=1)

    def _start(self, number: int) -> Worker:
        ours, theirs = Pipe()
        thread = threading.Thread(target=self._pretend, args=(theirs,), daemon=True)
        thread.start()
        return Worker(number, ours, thread)

    def _end(self, worker: Worker) -> None:
        worker.handle.join()

    def _pretend(self, connection) -> None:
        connection.send(Ready())
        try:
            while True:
                job = connection.recv()
                if isinstance(job, Job):
                    connection.send(self._run(job, connection))
        except (EOFError, OSError):
            return

    def _run(self, job: Job, connection) -> Finished:
        lr = job.plan.optimizer.arguments["lr"]
        value = 1 - abs(lr - 0.01)
        tags = {"mlflow.parentRunId": job.parent, "trial.number": str(job.number)}
        run = start_run(
            self._store,
            name=job.plan.name,
            params={"lr": lr},
            tags=tags,
            data=DATA,
            config={},
        )
        connection.send(Started(run.id, 1))
        for epoch in (1, 2, 3):
            run.log_epoch({"val_accuracy": value, "val_loss": 1.0}, epoch=epoch)
            connection.send(Epoch(epoch, value))
            connection.recv()
        run.log_metrics({"best/val_accuracy": value})
        run.finish("FINISHED")
        values = {"val_accuracy": value, "val_loss": 1.0, "parameters": 1.0, "seconds": 0.0}
        return Finished(run.id, values, 3)


class Clock:
    """A screen that notes when trials end, and how much memory is in use then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.processor: list[float] = []
        self.memory: list[int] = []

    def trial(self, number, **_) -> None:
        self.times.append(perf_counter())
        self.processor.append(process_time())
        self.memory.append(int(Path("/proc/self/statm").read_text().split()[1]))

    def progress(self, **_) -> None:
        pass


def search(folder: Path, *, n_trials: int) -> Clock:
    store, clock = open_store(Tracking(folder=folder)), Clock()
    parent = start_run(store, name="many", params={}, tags={}, data=DATA, config={})
    executor = Trivial(store)
    executor.start()
    random = Component("sampler", "optuna.samplers.RandomSampler", {})
    drive(
        executor,
        folder,
        n_trials=n_trials,
        screen=clock,
        sampler=random,
        store=store,
        parent=parent.id,
    )
    executor.close()
    parent.finish("FINISHED")
    return clock


def milliseconds(times: list[float], *, around: int) -> float:
    """Return the median time of a trial in the hundred before that number."""
    return 1000 * median(b - a for a, b in pairwise(times[around - 100 : around]))
