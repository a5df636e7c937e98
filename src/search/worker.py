"""Trains what the driver hands it, and asks after every epoch whether to go on."""

import json
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Protocol, final

from src.config.plan import Component
from src.config.settings import Tracking
from src.data.source import DataSource
from src.errors import TrainingFailed, UserError
from src.process.environment import set_variables
from src.process.signals import ENDING, Halted
from src.process.streams import outlast_readers
from src.search.messages import (
    Average,
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
from src.tracking.connection import Store, connect, retry_while_unreachable
from src.training.average import average_runs, evaluate_on_test
from src.training.progress import EpochReporter
from src.training.train_run import train


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
    """The driver prunes this trial."""

    outcome = "pruned"


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
        set_variables({"CUDA_VISIBLE_DEVICES": gpu})
    work(connection)


def work(
    connection: Channel, *, locate: Callable[[Component], Component] = lambda data: data
) -> None:
    """Serve the driver until it closes the connection.

    locate: gives a data source as it is to be read on this machine, where its files may be
    elsewhere.
    """
    opened = _Opened(locate)
    try:
        connection.send(Ready())
        while True:
            job = connection.recv()
            if isinstance(job, Job):
                connection.send(_train(job, connection, opened))
            elif isinstance(job, Average | EvaluateOnTest):
                connection.send(_finish_up(job, opened))
            # else a Stop, for a job that had just ended
    except (EOFError, OSError):
        return  # the driver is gone


def _train(job: Job, connection: Channel, opened: "_Opened") -> FromWorker:
    def ask(epoch: int, metrics: dict[str, float]) -> None:
        _send(connection, Epoch(epoch, metrics[job.metric] if job.metric else None))
        _receive_command(connection)

    def check_stop() -> None:
        if connection.poll():
            _receive_command(connection)

    try:
        result = train(
            job.plan,
            source=opened.source(job.plan.data),
            store=opened.store(job.plan.tracking, check_stop),
            reporter=EpochReporter(),
            check_stop=check_stop,
            after_epoch=ask,
            on_start=lambda *started: _send(connection, Started(*started)),
            evaluate_on_test_set=False,
            parent=job.parent,
            tags={"sweep": job.sweep, f"{job.kind}.number": str(job.number), **job.tags},
        )
    except Halted as halt:
        return Stopped(pruned=isinstance(halt, _Pruned))
    except (UserError, TrainingFailed) as error:
        return Failed(str(error))
    except Exception as error:  # noqa: BLE001  a crash ends its run, with traceback, not the sweep
        return Failed(traceback.format_exception_only(error)[-1].strip())
    values = {
        "parameters": float(result.parameters),
        "seconds": result.training_seconds,
        "train_accuracy": result.train_accuracy,
    }
    if result.validation is not None:
        values["val_accuracy"] = result.validation.accuracy
        values["val_loss"] = result.validation.log_loss
    return Finished(result.run_id, values, result.epochs, result.best_epoch)


def _finish_up(job: Average | EvaluateOnTest, opened: "_Opened") -> FromWorker:
    try:
        source = opened.source(job.plan.data)
        store = opened.store(job.plan.tracking, lambda: None)
        if isinstance(job, EvaluateOnTest):
            run_id = job.run_id
            values = evaluate_on_test(job.plan, run_id, source=source, store=store).metrics("test")
        else:
            values = {}
            run_id = average_runs(
                job.plan,
                job.run_ids,
                source=source,
                store=store,
                parent=job.parent,
                tags=job.tags,
            )
    except Exception as error:  # noqa: BLE001  the sweep has its result without it, and says so
        return Failed(traceback.format_exception_only(error)[-1].strip())
    return Finished(run_id, values, 0)


@final
class _Opened:
    """Opens the store and each data source once in the life of a worker."""

    def __init__(self, locate: Callable[[Component], Component]) -> None:
        self._locate = locate
        self._sources: dict[str, DataSource] = {}
        self._store: Store | None = None

    def source(self, data: Component) -> DataSource:
        """Return the data source, which keeps what it has read."""
        key = json.dumps([data.target, data.arguments], sort_keys=True, default=str)
        if key not in self._sources:
            self._sources[key] = self._locate(data).build()
        return self._sources[key]

    def store(self, tracking: Tracking, check_stop: Callable[[], None]) -> Store:
        """Return the sweep's store; waits for its server as a trial does."""
        if self._store is None:
            self._store = retry_while_unreachable(lambda: connect(tracking), check_stop)
        return self._store


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
        raise _Pruned(f"pruned: {answer.reason}")
    if isinstance(answer, Stop):
        raise _Stopped(answer.reason)
