"""`python -m src.ui`: the MLflow UI on the local store, which is put in order first."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from omegaconf import DictConfig
from pydantic import BaseModel, ConfigDict, Field

from src.cli.entry import run_verb
from src.cli.overrides import resolved
from src.config.plan import ConfigValidator
from src.config.settings import Tracking
from src.errors import CommandFailed
from src.process.machine import LOOPBACK, require_free_port
from src.process.signals import stop_on_signals

QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""No job processes, which take 0.7 GB, and no reports to anybody."""
SHUTDOWN_TIMEOUT_S = 1.0
"""How long the server may finish what it answers; MLflow's command takes seconds more to go."""


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")
    port: int = Field(5000, ge=1, le=65535)


def ui_command(config: DictConfig) -> None:
    """Let artifacts of a moved folder be found, end runs without a living owner, show the rest."""
    port, tracking = check(resolved(config))
    require_free_port(port, key="port")
    print("starting the MLflow UI ...", flush=True)
    with stop_on_signals() as stop:
        from src.tracking.store import open_store
        from src.tracking.views import view_address

        store = open_store(tracking)
        runs = f"http://{LOOPBACK}:{port}/{view_address(store.experiment_id, 'Runs')}"
        told = False
        with _server(store.client.tracking_uri, port) as server:
            while stop.interrupted is None:
                if server.poll() is not None:
                    raise CommandFailed(f"MLflow's server ended with exit code {server.returncode}")
                if not told and _listens(port):
                    told = True
                    print(f"the runs are at {runs}\n(open it; end with Ctrl-C)", flush=True)
                time.sleep(0.1)
    print("the MLflow UI has ended")


@contextmanager
def _server(store: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run MLflow's server in a session of its own; it would hear Ctrl-C twice, with tracebacks."""
    command = [sys.executable, "-m", "mlflow", "ui", "--host", LOOPBACK, "--port", str(port)]
    command += ["--backend-store-uri", store, "--registry-store-uri", store]
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    server = subprocess.Popen(command, env={**os.environ, **QUIET}, start_new_session=True)
    try:
        yield server
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End all of the server's processes."""
    with suppress(subprocess.TimeoutExpired):
        server.terminate()
        server.wait(SHUTDOWN_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def check(config: dict[str, Any]) -> tuple[int, Tracking]:
    """Return the port and the store; raises ConfigError with every problem."""
    parts = ConfigValidator(config)
    page, tracking = parts.settings(_Page, None), parts.settings(Tracking, "tracking")
    if tracking is not None and (tracking.uri or "").startswith("http"):
        parts.problems.append("`tracking.uri`: a server has its own page; open its address")
    elif tracking and tracking.uri is None and not (tracking.folder / "mlflow.db").exists():
        parts.problems.append(
            f"`tracking.folder`={tracking.folder}: nothing is tracked there yet; make train first"
        )
    parts.finish()
    return page.port, tracking


if __name__ == "__main__":
    run_verb(ui_command, config_name="ui", check=check)
