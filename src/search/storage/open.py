"""Opens the storage of the studies that a search asks for."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from optuna.storages import BaseStorage

from src.search.storage.journal import lock_journal

Lock = Callable[[str], AbstractContextManager[BaseStorage]]
"""Keeps other drivers from a sweep and its fresh starts, and gives the storage meanwhile.

The lock is released when its process dies. Raises SweepLockedError where another has it.
"""


def require_address(address: str) -> None:
    """Raise ConfigError where no database can be at the address."""
    from src.search.storage.postgres import require_address as require

    require(address)


def open_studies(folder: Path, address: str | None) -> Lock:
    """Open what is at the address, None: the journal of the folder; it is created on first use.

    Raises ConfigError where there is no database, or it cannot be used.
    """
    if address is None:
        return partial(lock_journal, folder)
    from src.search.storage.postgres import DatabaseStudies

    return DatabaseStudies(address).lock
