"""Studies in a journal in the tracking folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from src.errors import SweepLockedError
from src.tracking.jsonl import drop_half_line

optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def lock_journal(folder: Path, sweep: str) -> Iterator[BaseStorage]:
    """Keep other drivers of this machine from a sweep of the journal in a tracking folder.

    Raises SweepLockedError where another has it.
    """
    path = folder / "sweeps" / f".{sweep}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path).acquire(timeout=0)
    except Timeout as error:
        raise SweepLockedError(
            f"`name`={sweep}: another process is working on this sweep; wait for it, or give "
            "this one another name"
        ) from error
    with lock:
        yield open_journal(folder)


def open_journal(folder: Path) -> JournalStorage:
    """Open the journal that holds all studies; its lock is let go when its holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "optuna.journal"
    lock: Any = FileLock(f"{journal}.lock")  # has the two methods that Optuna asks of a lock
    with lock:
        drop_half_line(journal)  # else the next entry would be added to it, and lost with it
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
