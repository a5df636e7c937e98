"""Ten thousand trials of a trivial objective through the real driver, journal and store."""

import resource
import threading
from itertools import pairwise
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import hydra
import optuna
import pytest

from src.config import CONF
from src.interrupt import StopRequest
from src.plan import Component
from src.search.composer import Composer
from src.search.driver import Driver
from src.search.executors.local import Executor, Worker
from src.search.messages import Epoch, Finished, Job, Ready, Started
from src.search.settings import SweepSettings
from src.search.space import make_space
from src.search.study import open_storage, open_study
from src.settings import Tracking
from src.tracking.connection import connect
from src.tracking.runs import DataDescription, runs_below, start_run
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
            open_storage(folder),
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
        Driver(
            study,
            settings=settings,
            space=make_space(SPACE),
            composer=Composer("sweep", [], threads=1),
            executor=executor,
            parent=parent.id,
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


@pytest.mark.slow
def test_ten_thousand_trials_cost_no_more_each_than_the_first_thousand(tmp_path):
    n_trials = 10_000
    clock = search(tmp_path, n_trials=n_trials)
    page = resource.getpagesize() / 2**20
    for number in (500, 1_000, 2_000, 5_000, 10_000):
        if number <= n_trials:
            print(
                f"{number:>6,} trials: {milliseconds(clock.times, around=number):6.1f} ms a trial, "
                f"{milliseconds(clock.processor, around=number):6.1f} ms of the processor, "
                f"{clock.memory[number - 1] * page:5.0f} MiB",
                flush=True,
            )
    began = perf_counter()
    study = optuna.load_study(study_name="many", storage=open_storage(tmp_path))
    trials = study.get_trials(deepcopy=False)
    journal_s = perf_counter() - began
    began = perf_counter()
    store = connect(Tracking(folder=tmp_path))
    first_page = store.client.search_runs([store.experiment_id], max_results=100)
    store_s = perf_counter() - began
    print(f"journal opens in {journal_s:.1f} s, store and its first 100 runs in {store_s:.1f} s")
    children = runs_below(Tracking(folder=tmp_path), study.user_attrs["parent"])
    assert len(first_page) == 100
    assert len(trials) == len(children) == n_trials
    assert {run.info.run_id for run in children} == {t.user_attrs["run_id"] for t in trials}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert journal_s < 10
    assert store_s < 10
    assert (clock.memory[-1] - clock.memory[999]) * page < 200
    before, at_last = (milliseconds(clock.processor, around=n) for n in (1_000, n_trials))
    assert at_last < 2 * before  # processor time, whatever else the machine does meanwhile
