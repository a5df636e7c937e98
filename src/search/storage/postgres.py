"""Studies in a PostgreSQL database: created once, each held by the session that works on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from time import monotonic, sleep
from typing import Any, cast, final

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from src.config.settings import take_credentials, without_password
from src.errors import ConfigError, StudiesUnusable, first_line
from src.search.storage.base import Studies, Taken, without_generation
from src.search.storage.retrying import Patient

SCHEMES = ("postgresql+psycopg", "postgresql")
SECRET = ("password", "sslpassword")
EXAMPLE = "storage=postgresql+psycopg://USER@HOST/DATABASE"

WAITS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""How soon this side notices that the other is gone, in libpq's words: seconds, the last in ms."""

NOTICE = (
    "SET tcp_keepalives_idle = 20",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)
"""The same for the database's side, which then frees the sweep of a machine that is gone."""

FREED_WITHIN_S = 3.0
"""How long the session of a driver that was killed may take to end."""

CREATED_WITHIN_S = 60


@final
class DatabaseStudies(Studies):
    """Studies in a database.

    A sweep is held by an advisory lock of the one connection through which it is written: who has
    lost the lock has lost the connection too, and gets both back or neither.
    """

    def __init__(self, address: str, *, check_stop: Callable[[], None]) -> None:
        """Connect, and create the tables on first use; several processes may do so at once.

        Raises ConfigError where the address is none, StudiesUnusable where nothing answers there.
        """
        expect_address(address)
        self._address = take_credentials(address).replace("postgresql://", f"{SCHEMES[0]}://")
        self.where = without_password(address)
        self._check_stop = check_stop
        with self._expected():
            _create(self._address)

    def names(self) -> list[str]:
        """Return the names of all studies."""
        with self._expected():
            storage = RDBStorage(self._address, {"connect_args": WAITS})
            names = optuna.get_all_study_names(storage)
            storage.engine.dispose()
        return names

    @contextmanager
    def hold(self, sweep: str) -> Iterator[BaseStorage]:
        """Keep drivers on all machines from a sweep; raises Taken."""
        with self._expected():
            storage = RDBStorage(
                self._address,
                {"connect_args": WAITS, "pool_size": 1, "max_overflow": 0, "pool_pre_ping": True},
                skip_compatibility_check=True,  # which needs two connections, and was done
                skip_table_creation=True,
            )
            storage.engine.dispose()
            key = _key(f"sweep {without_generation(sweep)}")
            event.listen(storage.engine, "connect", lambda connection, _: _take(connection, key))
            _connect_when_free(storage.engine)
        try:
            patient = Patient(get_storage(storage), where=self.where, check_stop=self._check_stop)
            yield cast(BaseStorage, patient)
        finally:
            storage.engine.dispose()

    @contextmanager
    def _expected(self) -> Iterator[None]:
        """Raise StudiesUnusable where what is done inside cannot be done there."""
        try:
            yield
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            at = error.__cause__ if isinstance(error, StorageInternalError) else error
            said = first_line(getattr(at, "orig", None) or at or error)
            raise StudiesUnusable(
                f"`storage`={self.where}: cannot be used ({said}); start it, correct the address "
                "or the password (PGPASSWORD, PGPASSFILE), or leave it out to keep the search in "
                "the tracking folder"
            ) from error


def expect_address(address: str) -> None:
    """Raise ConfigError where this is no address of a PostgreSQL database, or needs a driver."""
    shown = without_password(address)
    try:
        parts = make_url(address)
    except (ArgumentError, ValueError):  # which quote it, with its password
        raise ConfigError(f"`storage`={shown}: is no address; write {EXAMPLE}") from None
    if parts.drivername not in SCHEMES:
        raise ConfigError(
            f"`storage`={shown}: must be a PostgreSQL database, {EXAMPLE}; or null, to keep the "
            "search in the tracking folder"
        )
    secret = sorted(set(parts.query) & set(SECRET))
    if secret:
        raise ConfigError(
            f"`storage`={shown}: `{secret[0]}` may not stand in it; give a password by the "
            "variable PGPASSWORD, or the file that PGPASSFILE names"
        )
    if not parts.database:
        raise ConfigError(f"`storage`={shown}: names no database; write {EXAMPLE}")
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"`storage`={shown}: needs the package psycopg; install it with: "
            "python -m pip install -c constraints.txt -e '.[postgres]'"
        ) from error


def _create(address: str) -> None:
    """Create the tables where they are not there yet, while others who would do so wait."""
    engine = create_engine(address, connect_args=WAITS)
    with engine.connect() as lock:
        lock.execute(text(f"SET lock_timeout = '{CREATED_WITHIN_S}s'"))
        lock.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("tables")})
        RDBStorage(address, {"connect_args": WAITS}).engine.dispose()
    engine.dispose()


def _connect_when_free(engine: Engine) -> None:
    end = monotonic() + FREED_WITHIN_S
    while True:
        try:
            engine.connect().close()
            return
        except Taken:
            if monotonic() > end:
                raise
        sleep(0.1)


def _take(connection: Any, key: int) -> None:
    """Take the lock for a new connection; without it, there is none."""
    with connection.cursor() as cursor:
        for setting in NOTICE:
            cursor.execute(setting)
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        [held] = cursor.fetchone()
    connection.commit()
    if not held:
        connection.close()
        raise Taken


def _key(name: str) -> int:
    """Return the number by which PostgreSQL knows a lock of this program."""
    digest = sha256(f"digit-classifiers {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
