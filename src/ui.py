"""`python -m src.ui`: the MLflow UI on the local store, which is put in order first."""

import os
import sys
from typing import Any

from omegaconf import DictConfig
from pydantic import BaseModel, ConfigDict, Field

from src.config import resolved
from src.entry import run_verb
from src.plan import Check
from src.settings import Tracking

HOST = "127.0.0.1"
QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""No job processes, which take 0.7 GB, and no reports to anybody."""


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")
    port: int = Field(5000, ge=1, le=65535)


def ui_command(config: DictConfig) -> None:
    """Let artifacts of a moved folder be found, end runs without a living owner, show the rest."""
    port, tracking = check(resolved(config))
    from src.tracking.store import open_store

    store = open_store(tracking)
    runs = f"http://{HOST}:{port}/#/experiments/{store.experiment_id}/runs"
    print(f"the runs are at {runs} (end with Ctrl-C)", flush=True)
    database = f"sqlite:///{store.folder}/mlflow.db"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", database]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, command, {**os.environ, **QUIET})


def check(config: dict[str, Any]) -> tuple[int, Tracking]:
    """Return the port and the store; raises ConfigError with every problem."""
    parts = Check(config)
    page, tracking = parts.settings(_Page, None), parts.settings(Tracking, "tracking")
    if tracking is not None and tracking.uri is not None:
        parts.problems.append("`tracking.uri`: a server has its own page; open its address")
    elif tracking is not None and not (tracking.folder / "mlflow.db").exists():
        parts.problems.append(
            f"`tracking.folder`={tracking.folder}: nothing is tracked there yet; make train first"
        )
    parts.finish()
    return page.port, tracking


if __name__ == "__main__":
    run_verb(ui_command, config_name="ui", check=check)
