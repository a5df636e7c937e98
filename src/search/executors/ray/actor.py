"""A worker inside a Ray actor: what driver and worker say goes in and out by method calls."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, final

from src.config.plan import Component
from src.process.signals import ENDING
from src.search.executors.base import END_WITHIN_S
from src.search.messages import FromWorker, ToWorker


@final
@dataclass(frozen=True)
class Sent:
    """A file of the driver's machine in Ray's object store; content: a reference to its bytes."""

    name: str
    digest: str
    content: Any


@final
class _Mailbox:
    """The worker's end of its line to the driver."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[ToWorker | None] = SimpleQueue()
        self.outbox: SimpleQueue[FromWorker | BaseException] = SimpleQueue()

    def send(self, message: FromWorker, /) -> None:
        """Lay a message out for the driver."""
        self.outbox.put(message)

    def recv(self) -> ToWorker:
        """Return what the driver says; raises EOFError once it has hung up."""
        message = self.inbox.get()
        if message is None:
            self.inbox.put(None)
            raise EOFError
        return message

    def poll(self) -> bool:
        """Tell whether `recv` would answer at once."""
        return not self.inbox.empty()


@final
class Actor:
    """Runs the worker in a thread, so that calls get through while it trains.

    folder: where the driver was started; where this machine has it too, relative paths mean the
    same here. environment: variables that the driver wants set, as passwords of a server.
    """

    def __init__(self, *, folder: str, environment: Mapping[str, str]) -> None:
        for signum in ENDING:  # which are the driver's business
            signal.signal(signum, signal.SIG_IGN)
        os.environ.update(environment)
        os.chdir(folder if Path(folder).is_dir() else _own_folder("workers"))
        self._mailbox = _Mailbox()
        self._files: dict[str, Sent] = {}
        self._thread = Thread(target=self._work, name="worker", daemon=True)
        self._thread.start()

    def hear(self) -> FromWorker:
        """Return the worker's next message as soon as there is one; raises what ended it."""
        message = self._mailbox.outbox.get()
        if isinstance(message, BaseException):
            raise message
        return message

    def say(self, message: ToWorker, files: Mapping[str, Sent]) -> None:
        """Hand a message to the worker; files: those that it needs, by their path at the driver."""
        self._files.update(files)
        self._mailbox.inbox.put(message)

    def end(self) -> None:
        """Let the worker end its job tidily."""
        self._mailbox.inbox.put(None)
        self._thread.join(END_WITHIN_S)

    def _work(self) -> None:
        try:
            from src.search.worker import work

            work(self._mailbox, locate=self._locate)
            self._mailbox.outbox.put(EOFError())
        except BaseException as error:  # noqa: BLE001  is raised where the driver listens
            self._mailbox.outbox.put(error)

    def _locate(self, data: Component) -> Component:
        """Return the data source with its files as they are found on this machine."""
        places = {
            key: str(_place(self._files[path]))
            for key, path in data.arguments.items()
            if isinstance(path, str) and path in self._files and not _is_here(path, self._files)
        }
        return replace(data, arguments={**data.arguments, **places})


# what `ray.method` would note, which is not at hand where Ray is not installed
for _method in (Actor.hear, Actor.end):
    setattr(_method, "__ray_concurrency_group__", _method.__name__)  # noqa: B010


def _is_here(path: str, files: Mapping[str, Sent]) -> bool:
    with suppress(OSError):
        return sha256(Path(path).expanduser().read_bytes()).hexdigest() == files[path].digest
    return False


def _place(sent: Sent) -> Path:
    """Return where this machine keeps the file, fetched by the first worker that needs it."""
    import ray
    from filelock import FileLock

    place = _own_folder("files") / sent.digest[:16] / sent.name
    place.parent.mkdir(exist_ok=True)
    with FileLock(f"{place}.lock"):
        if not place.exists():
            draft = place.with_name(f"draft-{sent.name}")
            draft.write_bytes(ray.get(sent.content))
            draft.replace(place)
    return place


def _own_folder(name: str) -> Path:
    from platformdirs import user_cache_path

    folder = user_cache_path("digit-classifiers", appauthor=False) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
