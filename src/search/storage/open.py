"""Opens the storage of the studies that a search asks for."""

from pathlib import Path

from src.search.storage.base import Studies
from src.search.storage.journal import JournalStudies


def require_address(address: str) -> None:
    """Raise ConfigError where no database can be at the address."""
    from src.search.storage.postgres import require_address as require

    require(address)


def open_studies(folder: Path, address: str | None) -> Studies:
    """Open what is at the address, None: the journal of the folder; it is created on first use.

    Raises ConfigError where there is no database, or it cannot be used.
    """
    if address is None:
        return JournalStudies(folder)
    from src.search.storage.postgres import DatabaseStudies

    return DatabaseStudies(address)
