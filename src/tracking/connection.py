"""Connects to a tracking store: SQLite in a folder, another database, or a server."""

import logging
import os
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from src.config.settings import Tracking, take_credentials, without_password
from src.errors import RunGone, StoreAway, TrackingError, first_line
from src.tracking.database import (
    artifacts_of,
    create_database,
    follow_move,
    unwritable,
)

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; we tell
logging.getLogger("alembic").setLevel(logging.WARNING)

DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}
"""Opens the experiment in the UI's view for trained models rather than that for agents."""
ANSWER_WITHIN_S = 5.0
PAGE = 1000
"""Runs a call; more are fetched page by page."""


@final
@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment in it that runs go to.

    uri: its address without a password, None for the database of the folder itself. folder: where
    runs have their working folders.
    """

    client: MlflowClient
    experiment_id: str
    uri: str | None
    folder: Path

    @property
    def is_server(self) -> bool:
        """Whether the store is reached over HTTP."""
        return self.uri is not None and self.uri.startswith("http")


def all_runs(
    client: MlflowClient,
    experiments: list[str],
    query: str = "",
    *,
    view: int = ViewType.ACTIVE_ONLY,
) -> list[Run]:
    """Return every run that matches, the newest first, fetched page by page."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            experiments, query, run_view_type=view, max_results=PAGE, page_token=token
        )
        found.extend(page)
        token = page.token
        if not token:
            return found


def living_run(client: MlflowClient, run_id: str) -> Run:
    """Return a run; raises RunGone where it was deleted, even if it can still be restored."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        run = None
    if run is None or run.info.lifecycle_stage == "deleted":
        raise RunGone(f"run {run_id}: was deleted from the store; restore it, or start a new one")
    return run


def connect(settings: Tracking) -> Store:
    """Connect to the store, creating it on first use; many processes may do so at once.

    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    uri, artifacts = settings.uri or "", None
    if settings.uri is not None:
        expect_answer(settings.uri)
        uri = take_credentials(settings.uri)
    file = database_file(settings)
    if file is not None:
        create_database(file)
        uri, artifacts = f"sqlite:///{file}", artifacts_of(file)
    try:
        client = MlflowClient(tracking_uri=uri)
        experiment = _experiment(client, settings.experiment, artifacts)
        if file is not None:
            follow_move(file)
    except (SQLAlchemyError, MlflowException, ImportError, OSError) as error:
        if file is not None and not os.access(file.parent, os.W_OK):
            raise unwritable(file.parent, "read-only") from error
        raise unusable(settings, error) from error
    address = settings.uri and without_password(settings.uri)
    return Store(client, experiment, address, settings.folder.resolve())


def unusable(settings: Tracking, error: Exception) -> TrackingError:
    """Return in one line that the store cannot be used, and why."""
    address = without_password(settings.uri) if settings.uri else str(database_file(settings))
    said = first_line(error)
    server = (settings.uri or "").startswith("http")
    return (StoreAway if server else TrackingError)(
        f"tracking store {address}: cannot be used ({said}); correct `tracking.uri` or start its "
        "server; a damaged file must be moved away"
    )


def database_file(settings: Tracking) -> Path | None:
    """Return the SQLite file of the store, None where it is another kind."""
    if settings.uri is None:
        return settings.folder.resolve() / "mlflow.db"
    if settings.uri.startswith("sqlite:///"):
        return Path(settings.uri.removeprefix("sqlite:///")).resolve()
    return None


def expect_answer(uri: str, *, within_s: float = ANSWER_WITHIN_S) -> None:
    """Raise StoreAway where no server answers at an http address, TrackingError where none can."""
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme not in {"http", "https", *DATABASES}:
        raise TrackingError(
            f"`tracking.uri`={without_password(uri)}: must be the http address of an MLflow "
            "server or a database such as sqlite:////path/mlflow.db; or leave it out to track "
            "in a folder"
        )
    if scheme in DATABASES:
        return
    try:
        with urlopen(f"{without_password(uri).rstrip('/')}/health", timeout=within_s):
            pass
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise StoreAway(
            f"`tracking.uri`={without_password(uri)}: no MLflow server answers there within "
            f"{within_s:g} s ({reason}); start it, correct the address, or leave it out "
            "to track in a folder"
        ) from error


def expect_database(store: Store, *, within_s: float) -> None:
    """Raise StoreAway where the server, or the database behind it, does not answer in time.

    MLflow's client would ask again and again before it said so.
    """
    query = f"api/2.0/mlflow/experiments/get?experiment_id={store.experiment_id}"
    try:
        with urlopen(f"{(store.uri or '').rstrip('/')}/{query}", timeout=within_s):
            pass
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError) and error.code < 500:
            return  # as where it wants a password
        raise StoreAway(f"{store.uri}: no answer ({first_line(error)})") from error


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts, tags=TRAINING_VIEW)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process was first
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"`tracking.experiment`={name!r}: was deleted in the store; restore it there, or "
            "choose another name"
        )
    return found.experiment_id
