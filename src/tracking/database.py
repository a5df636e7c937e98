"""The SQLite file of a local store: created whole or not at all, and moved with its folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from src.errors import TrackingError

LOCATIONS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Where MLflow keeps absolute addresses of artifacts: column by table."""

LOCKED_FOR_S = 20.0
"""How long to wait for somebody who has locked the file; MLflow waits as long."""


def make_folder(folder: Path) -> Path:
    """Return the folder, made where it was missing; raises TrackingError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error.strerror or str(error)) from error
    return folder


def create_database(database: Path) -> None:
    """Create the file on first use; many processes may do so at once."""
    if database.exists():
        return
    try:
        with FileLock(make_folder(database.parent) / f".{database.name}.lock"):
            if not database.exists():
                _build(database)
    except OSError as error:
        raise unwritable(database.parent, error.strerror or str(error)) from error


def artifacts_of(database: Path) -> str:
    """Return the address of the artifacts that lie beside the file."""
    return (database.parent / "artifacts").as_uri()


def follow_move(database: Path) -> None:
    """Let the artifacts be found again after their folder was moved or copied.

    MLflow keeps absolute addresses (mlflow/mlflow#3144). An experiment of this program lies in
    `artifacts` beside the file; where one names another folder, that is the former one, and every
    address that begins with it is rewritten, in one transaction.
    """
    now = artifacts_of(database)
    if not (database.parent / "artifacts").is_dir():
        return  # the file came alone; what it names may still be where it was
    with closing(sqlite3.connect(database, timeout=LOCKED_FOR_S, isolation_level=None)) as store:
        if not _former(store, now):
            return
        store.execute("BEGIN IMMEDIATE")
        for former in _former(store, now):  # asked again, now that nobody else can write
            for table, column in LOCATIONS.items():
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (now, len(former) + 1, former, len(former) + 1, f"{former}/"),
                )
        store.execute("COMMIT")


def _former(store: sqlite3.Connection, now: str) -> list[str]:
    found = store.execute(
        "SELECT DISTINCT artifact_location FROM experiments "
        "WHERE artifact_location LIKE 'file:///%/artifacts' AND artifact_location != ?",
        (now,),
    )
    return [location for (location,) in found]


def unwritable(folder: Path, why: str) -> TrackingError:
    """Return in one line that the folder of a store cannot be written."""
    return TrackingError(
        f"`tracking.folder`={folder}: cannot be written ({why}); "
        "choose a folder you may write to, or tracking=off"
    )


def _build(database: Path) -> None:
    """Create under another name, then rename: a killed first start leaves nothing half made."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = database.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{draft}", artifacts_of(database))
    store.engine.dispose()
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and writers side by side
    draft.replace(database)
