"""A real MLflow server on a port of this machine, which tests start, stop and kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from mlflow import MlflowClient

from tests.conftest import environment

QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """An MLflow server whose files lie in a folder; it can be started again on its port.

    database: its backend store, empty for SQLite in the folder.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    database: str = ""

    def __post_init__(self) -> None:
        self.database = self.database or f"sqlite:///{self.folder}/server.db"

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> MlflowClient:
        """A client of the server's own database, which is there when the server is not."""
        return MlflowClient(tracking_uri=self.database)

    def start(self) -> "Server":
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        self._process = subprocess.Popen(
            command,
            env=environment() | QUIET,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(400):
            try:
                urlopen(f"{self.uri}/health", timeout=1).close()
                return self
            except OSError:
                time.sleep(0.5)
        raise AssertionError("the server does not answer")

    def signal(self, name: str) -> None:
        """Send a signal to all of the server's processes."""
        os.killpg(self._process.pid, signal.Signals[name])

    def kill(self) -> None:
        if self._process.poll() is None:
            self.signal("SIGKILL")
            self._process.wait()
