"""What all executors share: a channel to each worker, by default a pipe, and the messages on it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from time import perf_counter
from typing import Any, Protocol, final

from src.config.plan import Plan
from src.errors import TrainingFailed
from src.search.messages import (
    Failed,
    Finished,
    FromWorker,
    Prune,
    Ready,
    Stop,
    Stopped,
    Task,
    ToWorker,
)

SHUTDOWN_TIMEOUT_S = 10.0
"""How long a worker that was let go may take."""
MAX_STARTUP_FAILURES = 3
"""Workers in a row that may die before they are ready."""


class Channel(Protocol):
    """The driver's end of what joins it to a worker, such as a pipe."""

    def send(self, message: ToWorker, /) -> None:
        """Say something to the worker."""

    def recv(self) -> FromWorker:
        """Return what the worker says; raises EOFError or OSError where it is gone."""

    def close(self) -> None:
        """Let the worker go."""


@final
@dataclass(frozen=True)
class WorkerDied:
    """The worker's process has ended without a word."""


@final
@dataclass(eq=False)
class Worker:
    """One worker as the driver sees it; job is None while it is idle or still starting."""

    number: int
    connection: Channel
    handle: Any
    """Its process, thread or actor."""
    started: float = field(default_factory=perf_counter)
    ready: bool = False
    stopping: bool = False
    job: Task | None = None


class Executor(ABC):
    """Where workers run. The driver submits jobs, waits for news, and answers epochs.

    A new executor has no workers yet, but may begin to load what they need, beside other work.
    num_workers: how many jobs train at the same time. shares_cores: whether they do so on the cores
    of this machine, all of which one has that is alone.
    """

    shares_cores = True

    def __init__(self, *, num_workers: int) -> None:
        self.num_workers = num_workers
        self._done_seconds = 0.0
        self._startup_failures = 0
        self._workers: list[Worker] = []

    def check(self, plan: Plan) -> None:  # noqa: B027  most can train any plan
        """Raise ConfigError where trials like this plan cannot be trained by these workers."""

    def start(self) -> None:
        """Start the workers; they say Ready when they have loaded what they need."""
        for number in range(self.num_workers):
            self._workers.append(self._start(number))

    @abstractmethod
    def _start(self, number: int) -> Worker:
        """Start a worker."""

    @abstractmethod
    def _end(self, worker: Worker) -> None:
        """Wait for a worker whose connection is closed to be gone."""

    @property
    def busy_seconds(self) -> float:
        """Worker time spent on jobs so far, also on those that go on."""
        now = perf_counter()
        return self._done_seconds + sum(now - worker.started for worker in self.busy)

    @property
    def idle(self) -> list[Worker]:
        """Workers that wait for a job."""
        return [w for w in self._workers if w.ready and w.job is None]

    @property
    def busy(self) -> list[Worker]:
        """Workers that have a job."""
        return [w for w in self._workers if w.job is not None]

    def submit(self, worker: Worker, job: Task) -> None:
        """Hand a job to an idle worker."""
        worker.job, worker.stopping, worker.started = job, False, perf_counter()
        self.answer(worker, job)

    def answer(self, worker: Worker, message: ToWorker) -> None:
        """Send a message, unless the worker was told to stop or is gone; then `wait` tells."""
        if worker.stopping:
            return
        worker.stopping = isinstance(message, Stop | Prune)
        try:
            worker.connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return  # wait() will find it dead

    def wait(self, timeout_s: float) -> list[tuple[Worker, FromWorker | WorkerDied]]:
        """Return what workers said within the time, at the latest when the first one spoke."""
        news: list[tuple[Worker, FromWorker | WorkerDied]] = []
        for worker in self._ready_workers(timeout_s):
            try:
                message: FromWorker | WorkerDied = worker.connection.recv()
            except (EOFError, OSError):
                message = WorkerDied()
            if isinstance(message, Ready):
                worker.ready = True
            news.append((worker, message))
        return news

    def _ready_workers(self, timeout_s: float) -> list[Worker]:
        """Return the workers that have said something, or are gone, within the time."""
        lines: list[Any] = [worker.connection for worker in self._workers]
        spoken = wait(lines, timeout=timeout_s)
        return [worker for worker in self._workers if worker.connection in spoken]

    def release(self, worker: Worker) -> None:
        """Take note that the worker's job has ended."""
        self._done_seconds += perf_counter() - worker.started
        worker.job = None

    def replace(self, worker: Worker) -> None:
        """Start another worker in the place of a dead one.

        Raises TrainingFailed where one worker after another dies before it is ready.
        """
        self._startup_failures = 0 if worker.ready else self._startup_failures + 1
        if self._startup_failures > MAX_STARTUP_FAILURES:
            raise TrainingFailed(
                f"{self._startup_failures} workers in a row died while they were starting; what "
                "they said stands above"
            )
        worker.connection.close()
        self._end(worker)
        self._workers[self._workers.index(worker)] = self._start(worker.number)

    def close(self) -> None:
        """Let the workers go."""
        for worker in self._workers:
            worker.connection.close()
        while self._workers:
            self._end(self._workers.pop())


def ends_job(message: FromWorker | WorkerDied) -> bool:
    """Tell whether the message is the last one of a job."""
    return isinstance(message, Finished | Stopped | Failed | WorkerDied)
