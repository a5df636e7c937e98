"""Studies in a PostgreSQL database, each locked by the connection through which it is written."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from importlib.util import find_spec
from typing import Any, final

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import ExceptionContext, NullPool, StaticPool, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError

from src.config.settings import take_credentials, without_password
from src.errors import ConfigError, StudyStorageUnavailable, SweepLockedError, first_line

SCHEMES = ("postgresql+psycopg", "postgresql")
SECRETS = {"password", "sslpassword"}
EXAMPLE = "storage=postgresql+psycopg://USER@HOST/DATABASE"

TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""How soon this side notices that the other is gone, in libpq's words: seconds, the last in ms."""

SERVER_TIMEOUTS = """
    SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3
"""
"""The same for the database's side, which then unlocks the sweep of a machine that is gone."""

SWEEP_LOCK_TIMEOUT_S = 3
"""How long the session of a driver that was killed may take to end."""


@final
class DatabaseStudies:
    """Studies in a database.

    A sweep is locked by an advisory lock of the one connection through which it is written. It is
    never opened again, so who has lost the lock cannot write any more.
    """

    def __init__(self, address: str) -> None:
        """Connect, and create the tables on first use; several processes may do so at once.

        Raises ConfigError where the address is wrong, or the database there cannot be used.
        """
        require_address(address)
        self._where = without_password(address)
        self._address = take_credentials(address).replace("postgresql://", f"{SCHEMES[0]}://")
        with self._required(), self._locked("the tables"):
            short_lived = {"connect_args": TIMEOUTS, "poolclass": NullPool}
            RDBStorage(self._address, short_lived)

    @contextmanager
    def lock(self, sweep: str) -> Iterator[BaseStorage]:
        """Keep drivers on all machines from a sweep; raises SweepLockedError.

        The storage raises StudyStorageUnavailable once its connection is lost.
        """
        name = f"sweep {sweep}"
        with ExitStack() as stack:
            with self._required():
                connection = stack.enter_context(self._locked(name, timeout_s=SWEEP_LOCK_TIMEOUT_S))
                storage = RDBStorage(
                    self._address,
                    {"creator": lambda: connection, "poolclass": StaticPool},
                    skip_compatibility_check=True,  # which was done
                    skip_table_creation=True,
                )
            event.listen(storage.engine, "handle_error", self._raise_unavailable)
            yield storage

    @contextmanager
    def _locked(self, name: str, *, timeout_s: int = 0) -> Iterator[Any]:
        """Give a connection that holds the lock of this name for as long as it lives.

        timeout_s: how long to wait for it, 0 for as long as another holds it.
        """
        import psycopg

        address = self._address.replace(*SCHEMES)
        with closing(psycopg.connect(address, **TIMEOUTS)) as connection:
            try:
                connection.execute(f"{SERVER_TIMEOUTS}; SET LOCAL lock_timeout = '{timeout_s}s'")
                connection.execute("SELECT pg_advisory_lock(%s)", [_key(name)])
                connection.commit()
            except psycopg.errors.LockNotAvailable as error:
                raise SweepLockedError(
                    f"`name`={name.removeprefix('sweep ')}: another process is working on this "
                    "sweep; wait for it, or give this one another name"
                ) from error
            yield connection

    @contextmanager
    def _required(self) -> Iterator[None]:
        """Raise ConfigError where what is done inside cannot be done there."""
        import psycopg

        try:
            yield
        except (psycopg.Error, SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            said = first_line(error.__cause__ or error)
            raise ConfigError(
                f"`storage`={self._where}: cannot be used ({said}); correct the address or the "
                "password (PGPASSWORD, PGPASSFILE), start it, or leave it out to use the folder"
            ) from error

    def _raise_unavailable(self, context: ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, OperationalError | InterfaceError):
            raise StudyStorageUnavailable(
                f"Optuna's storage {self._where} is unreachable "
                f"({first_line(context.original_exception)}); what was finished is in it, and the "
                "same command resumes from there"
            ) from context.original_exception


def require_address(address: str) -> None:
    """Raise ConfigError where this is no address of a PostgreSQL database, or needs a driver."""
    problem = _problem_of(address)
    if problem is not None:
        raise ConfigError(f"`storage`={without_password(address)}: {problem}")


def _problem_of(address: str) -> str | None:
    try:
        parts = make_url(address)
    except (ArgumentError, ValueError):
        return f"is no address; write {EXAMPLE}"
    if parts.drivername not in SCHEMES:
        return f"must be a PostgreSQL database, {EXAMPLE}; or null, for the tracking folder"
    for secret in sorted(SECRETS & set(parts.query)):
        return f"`{secret}` may not stand in it; give it by PGPASSWORD, or the file in PGPASSFILE"
    if not parts.database:
        return f"names no database; write {EXAMPLE}"
    if find_spec("psycopg") is None:
        return "needs psycopg: python -m pip install -c constraints.txt -e '.[postgres]'"
    return None


def _key(name: str) -> int:
    """Return the number by which PostgreSQL knows a lock of this program."""
    digest = sha256(f"digit-classifiers {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
