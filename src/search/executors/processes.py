"""Long-lived workers in processes of their own, forked from a server that has loaded everything."""

import multiprocessing
import os
from multiprocessing import forkserver, resource_tracker
from typing import final

from src.config.types import PositiveInt
from src.process.machine import available_cores
from src.process.signals import signals_held_back
from src.search.executors.base import SHUTDOWN_TIMEOUT_S, Executor, Worker


@final
class Processes(Executor):
    """Trains as many trials at a time as there are workers; by default one a core."""

    def __init__(self, *, workers: PositiveInt | None = None) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["src.search.executors.preload"])
        resource_tracker.ensure_running()  # it lets signals through again when it is started
        with signals_held_back():
            forkserver.ensure_running()
        super().__init__(num_workers=workers or available_cores())

    def _start(self, number: int) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, number), name=f"worker-{number}", daemon=True
        )
        with signals_held_back():
            process.start()
        theirs.close()  # else its end would stay open when the worker dies
        return Worker(number, ours, process)

    def _end(self, worker: Worker) -> None:
        worker.handle.join(SHUTDOWN_TIMEOUT_S)
        if worker.handle.is_alive():
            worker.handle.kill()
            worker.handle.join()


def _serve(connection: "multiprocessing.connection.Connection", number: int) -> None:
    import torch

    from src.search.worker import work_in_process

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    work_in_process(connection, own_gpu(number, torch.cuda.device_count(), visible=visible))


def own_gpu(number: int, count: int, *, visible: str | None) -> str | None:
    """Return the GPU for a worker: each in turn, None where there is none.

    count: GPUs that this process may use; visible: their names, where CUDA_VISIBLE_DEVICES has any.
    """
    names = visible.split(",") if visible else [str(index) for index in range(count)]
    return names[number % count] if count else None
