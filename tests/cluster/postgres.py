"""A real PostgreSQL on a port of this machine, which tests start, stop and break."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.serving import free_port

PASSWORD = "geheim-7Q"
USER = "digits"
UNPRIVILEGED = "nobody"
"""Whose processes the database's are where the tests are root's: initdb refuses root."""


def find_binary(name: str) -> str | None:
    """Return the path of one of PostgreSQL's commands, None where it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    return shutil.which(name, path=path)


def require_binaries() -> None:
    """Skip the tests where there is no PostgreSQL."""
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if find_binary(name) is None]
    if missing:
        pytest.skip(f"no PostgreSQL here: {', '.join(missing)} (`make debian` installs it)")


@dataclass
class Postgres:
    """A database server with a password, in a folder of its own under the temporary one.

    safe: whether it waits for the disk at every commit, as it does outside of tests.
    """

    safe: bool = False
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, UNPRIVILEGED)
        self._run(
            *("initdb", "--pgdata", f"{self.folder}/data", "--username", USER),
            *("--auth", "scram-sha-256", "--pwfile", str(secret), "--no-sync"),
        )
        secret.unlink()

    def start(self) -> "Postgres":
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        options += "" if self.safe else " -c fsync=off"
        log = f"{self.folder}/log"
        self._run("pg_ctl", "start", "-D", f"{self.folder}/data", "-l", log, "-w", "-o", options)
        return self

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; immediate is as a crash: nothing is written down any more."""
        self._run("pg_ctl", "stop", "-D", f"{self.folder}/data", "-m", mode, "-w")

    def remove(self) -> None:
        if self._listens():  # a test that fails may leave it stopped
            self.stop()
        shutil.rmtree(self.folder)

    def create(self, database: str) -> str:
        """Create a database and return its address, without the password."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.address(database)

    def address(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        place = f"host=127.0.0.1 port={self.port} user={USER} dbname={database}"
        return psycopg.connect(place, password=PASSWORD, autocommit=True)

    def wait_for_sessions(self, database: str, number: int) -> None:
        """Return when so many sessions are connected to a database."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        with self.connect("postgres") as connection:
            while connection.execute(query, [database]).fetchone() != (number,):
                time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def _run(self, name: str, *arguments: str) -> None:
        user = UNPRIVILEGED if os.geteuid() == 0 else None
        binary = find_binary(name)
        assert binary is not None
        with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open with the server
            done = subprocess.run(
                [binary, *arguments],
                user=user,
                group=None,
                extra_groups=[] if user else None,
                cwd="/",
                stdout=said,
                stderr=said,
                timeout=60,
            )
            said.seek(0)
            assert done.returncode == 0, said.read()
