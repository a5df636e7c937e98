"""Trains what the driver hands it, and asks after every epoch whether to go on."""

import json
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Protocol, final

from src.config.plan import Component
from src.data.source import Dataset
from src.errors import TrainingFailed, UserError
from src.process.signals import ENDING, Halted
from src.process.streams import outlast_readers
from src.search.messages import (
    Epoch,
    EvaluateOnTest,
    Failed,
    Finished,
    FromWorker,
    Job,
    Prune,
    Ready,
    Started,
    Stop,
    Stopped,
    ToWorker,
)
from src.training.progress import SilentReporter
from src.training.train_run import evaluate_on_test, train


class Channel(Protocol):
    """The worker's end of what joins it to the driver, such as a pipe."""

    def send(self, message: FromWorker, /) -> None:
        """Say something to the driver; raises OSError where it is gone."""

    def recv(self) -> ToWorker:
        """Return what the driver says; raises EOFError or OSError where it is gone."""

    def poll(self) -> bool:
        """Tell whether `recv` would answer at once."""


@final
class _Pruned(Halted):
    """The driver does not expect enough of this trial."""


@final
class _Stopped(Halted):
    """The driver ended this trial, or died."""


def work_in_process(connection: Connection, gpu: str | None) -> None:
    """Serve the driver from a process of its own; signals to end are the driver's business.

    gpu: name of the GPU this worker may use, None for no choice.
    """
    outlast_readers()
    for signum in ENDING:
        signal.signal(signum, signal.SIG_IGN)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    work(connection)


def work(
    connection: Channel, *, locate: Callable[[Component], Component] = lambda data: data
) -> None:
    """Serve the driver until it closes the connection.

    locate: gives a data source as it is to be read on this machine, where its files may be
    elsewhere.
    """
    datasets = _Datasets(locate)
    try:
        connection.send(Ready())
        while True:
            job = connection.recv()
            if isinstance(job, Job):
                connection.send(_train(job, connection, datasets))
            elif isinstance(job, EvaluateOnTest):
                connection.send(_evaluate_on_test(job, datasets))
            # else a Stop, for a job that had just ended
    except (EOFError, OSError):
        return  # the driver is gone


def _train(job: Job, connection: Channel, datasets: "_Datasets") -> FromWorker:
    def ask(epoch: int, metrics: dict[str, float]) -> None:
        _send(connection, Epoch(epoch, metrics[job.metric] if job.metric else None))
        _receive_command(connection)

    def check_stop() -> None:
        if connection.poll():
            _receive_command(connection)

    try:
        result = train(
            job.plan,
            reporter=SilentReporter(),
            dataset=datasets.of(job.plan.data),
            check_stop=check_stop,
            after_epoch=ask,
            on_start=lambda run_id: _send(connection, Started(run_id)),
            evaluate_on_test_set=False,
            parent=job.parent,
            tags={"sweep": job.sweep, f"{job.kind}.number": str(job.number)},
        )
    except Halted as halt:
        return Stopped(pruned=isinstance(halt, _Pruned))
    except (UserError, TrainingFailed) as error:
        return Failed(str(error))
    except Exception as error:  # noqa: BLE001  a crash ends its run, with traceback, not the sweep
        return Failed(traceback.format_exception_only(error)[-1].strip())
    values = {
        "val_accuracy": result.validation.accuracy,
        "val_loss": result.validation.log_loss,
        "parameters": float(result.parameters),
        "seconds": result.training_seconds,
    }
    return Finished(result.run_id, values, result.epochs, result.training_seconds)


def _evaluate_on_test(job: EvaluateOnTest, datasets: "_Datasets") -> FromWorker:
    began = perf_counter()
    try:
        plan = replace(job.plan, data=datasets.locate(job.plan.data))
        score = evaluate_on_test(plan, job.run_id, dataset=datasets.of(job.plan.data))
    except Exception as error:  # noqa: BLE001  the sweep has its result without it, and says so
        return Failed(traceback.format_exception_only(error)[-1].strip())
    return Finished(job.run_id, score.metrics("test"), 0, perf_counter() - began)


@final
class _Datasets:
    """Loads each data source once in the life of a worker."""

    def __init__(self, locate: Callable[[Component], Component]) -> None:
        self.locate = locate
        self._loaded: dict[str, Dataset] = {}

    def of(self, data: Component) -> Dataset:
        """Return the train and validation images of the source."""
        key = json.dumps([data.target, data.arguments], sort_keys=True, default=str)
        if key not in self._loaded:
            self._loaded[key] = self.locate(data).build().load()
        return self._loaded[key]


def _send(connection: Channel, message: FromWorker) -> None:
    try:
        connection.send(message)
    except OSError as error:
        raise _Stopped("the driver is gone") from error


def _receive_command(connection: Channel) -> None:
    try:
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise _Stopped("the driver is gone") from error
    if isinstance(answer, Prune):
        raise _Pruned("pruned: behind the other trials at this epoch")
    if isinstance(answer, Stop):
        raise _Stopped(answer.reason)
