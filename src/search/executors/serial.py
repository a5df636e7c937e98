"""One worker, in a thread of the driver's own process: the simplest to follow and to debug."""

from multiprocessing import Pipe
from threading import Thread
from typing import final

from src.search.executors.base import Executor, Worker


@final
class Serial(Executor):
    """Trains one trial at a time, on all cores; a sweep repeats exactly."""

    def __init__(self) -> None:
        super().__init__(num_workers=1)

    def _start(self, number: int) -> Worker:
        from src.search.worker import work

        ours, theirs = Pipe()
        thread = Thread(target=work, args=(theirs,), name=f"worker-{number}", daemon=True)
        thread.start()
        return Worker(number, ours, thread)

    def _end(self, worker: Worker) -> None:
        worker.handle.join()
