"""Where studies are kept: a journal in the tracking folder, or a PostgreSQL database."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, final

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from src.tracking.lines import drop_half_line

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Taken(Exception):
    """Another process is working on the sweep."""


class Studies(ABC):
    """All studies of one place, each for one driver at a time."""

    where: str
    """The place in words, without a password."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all studies."""

    @abstractmethod
    def hold(self, sweep: str) -> AbstractContextManager[BaseStorage]:
        """Keep other drivers from a sweep and its fresh starts, and give the storage meanwhile.

        The hold is let go when its process dies. Raises Taken where another has it.
        """


@final
class JournalStudies(Studies):
    """Studies in the journal of a tracking folder."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder / "optuna.journal")
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all studies."""
        return optuna.get_all_study_names(open_journal(self._folder))

    @contextmanager
    def hold(self, sweep: str) -> Iterator[BaseStorage]:
        """Keep other drivers of this machine from a sweep; raises Taken."""
        path = self._folder / "sweeps" / f".{without_generation(sweep)}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(path).acquire(timeout=0)
        except Timeout as error:
            raise Taken(sweep) from error
        with held:
            yield open_journal(self._folder)


def open_studies(
    folder: Path, address: str | None, *, check_stop: Callable[[], None] = lambda: None
) -> Studies:
    """Open what is at the address, None: the journal of the folder; it is created on first use.

    check_stop: may raise to end the waiting for a database that is away. Raises ConfigError or
    StudiesUnusable where there is no database, or it cannot be used.
    """
    if address is None:
        return JournalStudies(folder)
    from src.search.database import DatabaseStudies

    return DatabaseStudies(address, check_stop=check_stop)


def open_journal(folder: Path) -> JournalStorage:
    """Open the journal that holds all studies; its lock is let go when its holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "optuna.journal"
    lock: Any = FileLock(f"{journal}.lock")  # has the two methods that Optuna asks of a lock
    with lock:
        drop_half_line(journal)  # else the next entry would be added to it, and lost with it
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def without_generation(study: str) -> str:
    """Return the name of the sweep that a study belongs to, maybe after fresh starts."""
    return re.sub(r"[.][0-9]+$", "", study)
