"""Searches of a trivial objective through the real driver, journal and store."""

import threading
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import hydra

from src.cli.overrides import CONF
from src.config.plan import Component
from src.config.settings import Tracking
from src.process.signals import StopRequest
from src.search.composer import Composer
from src.search.driver import Driver
from src.search.executors.base import Executor, Worker
from src.search.messages import Epoch, Finished, Job, Ready, Started
from src.search.settings import SweepSettings
from src.search.space import make_space
from src.search.storage.journal import open_journal
from src.search.study import open_study
from src.search.usage import Usage
from src.tracking.runs import DataDescription, start_run
from tests.benchmarks.bench_driver import SPACE

DATA = DataDescription(name="none", digest="0" * 64, source="nowhere", profile={})


class Trivial(Executor):
    """One worker that trains nothing, but leaves a run with three epochs as any worker does."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
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
            self._tracking, name=job.plan.name, params={"lr": lr}, tags=tags, data=DATA, config={}
        )
        connection.send(Started(run.id))
        for epoch in (1, 2, 3):
            run.log_metrics({"val_accuracy": value, "val_loss": 1.0}, step=epoch)
            connection.send(Epoch(epoch, value))
            connection.recv()
        run.log_metrics({"best/val_accuracy": value})
        run.finish("FINISHED")
        values = {"val_accuracy": value, "val_loss": 1.0, "parameters": 1.0, "seconds": 0.0}
        return Finished(run.id, values, 3, 0.0)


class Clock:
    """A screen that notes when trials end, and how much memory is in use then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.processor: list[float] = []
        self.memory: list[int] = []

    def trial(self, line) -> None:
        self.times.append(perf_counter())
        self.processor.append(process_time())
        self.memory.append(int(Path("/proc/self/statm").read_text().split()[1]))

    def progress(self, **_) -> None:
        pass


def search(folder: Path, *, n_trials: int) -> Clock:
    tracking = Tracking(folder=folder)
    settings = SweepSettings(n_trials=n_trials)
    parent = start_run(tracking, name="many", params={}, tags={}, data=DATA, config={})
    clock = Clock()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        study = open_study(
            open_journal(folder),
            "many",
            settings=settings,
            space=make_space(SPACE),
            definition={},
            sampler=Component("sampler", "optuna.samplers.RandomSampler", {}),
            pruner=Component("pruner", "optuna.pruners.NopPruner", {}),
            end_run=lambda run_id, status, reason: None,
        )
        study.set_user_attr("parent", parent.id)
        executor = Trivial(tracking)
        executor.start()
        Driver(
            study,
            settings=settings,
            space=make_space(SPACE),
            composer=Composer("sweep", [], threads=1),
            executor=executor,
            parent=parent.id,
            usage=Usage(study, executor),
            screen=clock,
            stop=StopRequest(),
            end_run=lambda run_id, status, reason: None,
        ).run()
        executor.close()
    parent.finish("FINISHED")
    return clock


def milliseconds(times: list[float], *, around: int) -> float:
    """Return the median time of a trial in the hundred before that number."""
    return 1000 * median(b - a for a, b in pairwise(times[around - 100 : around]))
