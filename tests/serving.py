"""A real MLflow server on a port of this machine, which tests start, stop and kill."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@contextmanager
def behind_login(port: int, login: str, *, health_is_open: bool = False) -> Iterator[str]:
    """Put a proxy in front of a server, and give its address; login: `user:password`."""
    key = f"Basic {b64encode(login.encode()).decode()}"

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") == key:
                inside = HTTPConnection("127.0.0.1", port)
                inside.request(self.command, self.path, body, dict(self.headers))
                found = inside.getresponse()
                self.say(found.status, found.read(), found.getheader("Content-Type", ""))
            elif health_is_open and self.path == "/health":
                self.say(200, b"OK", "text/plain")
            else:
                self.say(401, b"You are not authenticated.", "text/plain")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def say(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.server_port}"
    finally:
        door.shutdown()
        door.server_close()
