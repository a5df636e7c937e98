"""Opens the storage of the studies that a search asks for."""

from collections.abc import Callable
from pathlib import Path

from src.search.storage.base import Studies
from src.search.storage.journal import JournalStudies


def open_studies(
    folder: Path, address: str | None, *, check_stop: Callable[[], None] = lambda: None
) -> Studies:
    """Open what is at the address, None: the journal of the folder; it is created on first use.

    check_stop: may raise to end the waiting for a database that is away. Raises ConfigError or
    StudiesUnusable where there is no database, or it cannot be used.
    """
    if address is None:
        return JournalStudies(folder)
    from src.search.storage.postgres import DatabaseStudies

    return DatabaseStudies(address, check_stop=check_stop)
