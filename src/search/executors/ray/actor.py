"""A worker inside a Ray actor: what driver and worker say goes in and out by method calls."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, final

from src.config.plan import Component
from src.process.environment import set_variables
from src.process.signals import ENDING
from src.search.messages import FromWorker, ToWorker

Upload = tuple[str, Any]
"""A file of the driver's machine: SHA-256, and a reference to its bytes in Ray's object store."""


@final
class Actor:
    """Runs the worker in a thread, so that calls get through while it trains.

    It is the worker's channel to the driver, which calls `hear` and `say`.
    folder: where the driver was started; where this machine has it too, relative paths mean the
    same here. environment: variables that the driver wants set, as passwords of a server.
    files: those of the data source, by their path at the driver.
    """

    def __init__(
        self, *, folder: str, environment: Mapping[str, str], files: Mapping[str, Upload]
    ) -> None:
        for signum in ENDING:  # which are the driver's business
            signal.signal(signum, signal.SIG_IGN)
        set_variables(environment)
        os.chdir(folder if Path(folder).is_dir() else _cache_folder("workers"))
        self._files = files
        self._inbox: SimpleQueue[ToWorker | None] = SimpleQueue()
        self._outbox: SimpleQueue[FromWorker | BaseException] = SimpleQueue()
        Thread(target=self._work, name="worker", daemon=True).start()

    def hear(self) -> FromWorker:
        """Return the worker's next message as soon as there is one; raises what ended it."""
        message = self._outbox.get()
        if isinstance(message, BaseException):
            raise message
        return message

    def say(self, message: ToWorker | None) -> None:
        """Hand a message to the worker, None: to end its job tidily."""
        self._inbox.put(message)

    def send(self, message: FromWorker, /) -> None:
        """Lay a message out for the driver."""
        self._outbox.put(message)

    def recv(self) -> ToWorker:
        """Return what the driver says; raises EOFError once it has hung up."""
        message = self._inbox.get()
        if message is None:
            self._inbox.put(None)
            raise EOFError
        return message

    def poll(self) -> bool:
        """Tell whether `recv` would answer at once."""
        return not self._inbox.empty()

    def _work(self) -> None:
        try:
            from src.search.worker import work

            work(self, locate=self._locate)
            self._outbox.put(EOFError())
        except BaseException as error:  # noqa: BLE001  is raised where the driver listens
            self._outbox.put(error)

    def _locate(self, data: Component) -> Component:
        """Return the data source with its files as they are found on this machine."""
        found = {
            key: _find(path, *self._files[path])
            for key, path in data.arguments.items()
            if isinstance(path, str) and path in self._files
        }
        return replace(data, arguments={**data.arguments, **found})


def _find(path: str, digest: str, content: Any) -> str:
    """Return where this machine has the file: at the same path, else fetched into its cache."""
    import ray

    here = Path(path).expanduser()
    if here.is_file() and sha256(here.read_bytes()).hexdigest() == digest:
        return path
    place = _cache_folder(f"files/{digest[:16]}") / here.name
    if not place.exists():
        draft = place.with_name(f"draft-{os.getpid()}-{here.name}")
        draft.write_bytes(ray.get(content))
        draft.replace(place)
    return str(place)


def _cache_folder(name: str) -> Path:
    from platformdirs import user_cache_path

    folder = user_cache_path("digit-classifiers", appauthor=False) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
