"""Opens the tracking store: SQLite in a folder, created whole or not at all, or a server."""

import logging
import sqlite3
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import final
from urllib.parse import urlsplit
from urllib.request import urlopen

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from src.errors import TrackingError
from src.settings import Tracking, without_password

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)

DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}
"""Opens the experiment in the UI's view for trained models rather than that for agents."""
ANSWER_WITHIN_S = 5.0


@final
@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment in it that runs go to."""

    client: MlflowClient
    experiment_id: str
    uri: str


def open_store(settings: Tracking) -> Store:
    """Open the store, creating it on first use; many processes may do so at once.

    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    if settings.uri is not None:
        _expect_answer(settings.uri)
    uri, artifacts = settings.uri or "", None
    file = _database_file(settings)
    if file is not None:
        _create_database(file)
        uri, artifacts = f"sqlite:///{file}", (file.parent / "artifacts").as_uri()
    try:
        client = MlflowClient(tracking_uri=uri)
        return Store(client, _experiment(client, settings.experiment, artifacts), uri)
    except (SQLAlchemyError, MlflowException, ImportError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrackingError(
            f"tracking store {without_password(uri)}: cannot be used ({said}); correct "
            "`tracking.uri` or start its server; a damaged file must be moved away"
        ) from error


def make_folder(folder: Path) -> Path:
    """Return the folder, made where it was missing; raises TrackingError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def _database_file(settings: Tracking) -> Path | None:
    """Return the SQLite file of the store, None where it is another kind."""
    if settings.uri is None:
        return settings.folder.resolve() / "mlflow.db"
    if settings.uri.startswith("sqlite:///"):
        return Path(settings.uri.removeprefix("sqlite:///")).resolve()
    return None


def _create_database(database: Path) -> None:
    if database.exists():
        return
    try:
        with FileLock(make_folder(database.parent) / f".{database.name}.lock"):
            if not database.exists():
                _build_database(database)
    except OSError as error:
        raise _unwritable(database.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> TrackingError:
    return TrackingError(
        f"`tracking.folder`={folder}: cannot be written ({error.strerror or error}); "
        "choose a folder you may write to, or tracking=off"
    )


def _build_database(database: Path) -> None:
    """Create under another name, then rename: a killed first start leaves nothing half made."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = database.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{draft}", (database.parent / "artifacts").as_uri())
    store.engine.dispose()
    with sqlite3.connect(draft) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and writers side by side
    connection.close()
    draft.replace(database)


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


def _expect_answer(uri: str) -> None:
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
        with urlopen(f"{without_password(uri).rstrip('/')}/health", timeout=ANSWER_WITHIN_S):
            pass
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TrackingError(
            f"`tracking.uri`={without_password(uri)}: no MLflow server answers there within "
            f"{ANSWER_WITHIN_S:g} s ({reason}); start it, correct the address, or leave it out "
            "to track in a folder"
        ) from error
