"""The SQLite file of a local store: created whole or not at all, and moved with its folder."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock
from sqlalchemy import URL

from src.errors import TrackingError
from src.tracking.owner import OWNER

LOCATIONS = {
    "experiments": ("artifact_location", "experiment_id"),
    "runs": ("artifact_uri", "experiment_id"),
    "logged_models": ("artifact_location", "experiment_id"),
    "model_versions": (
        "storage_location",
        "(SELECT experiment_id FROM runs WHERE run_uuid = model_versions.run_id)",
    ),
}
"""Where MLflow keeps absolute addresses of artifacts, and of which experiment: columns by table."""

ELSEWHERE = f"""
    SELECT experiment_id, artifact_location FROM experiments
    WHERE artifact_location LIKE 'file:///%/artifacts' AND artifact_location != ?
    AND experiment_id IN (
        SELECT experiment_id FROM runs JOIN tags USING (run_uuid)
        WHERE tags.key IN ('{OWNER}', 'owner.host')
    )
"""
"""Finds experiments with runs of this program, whose own that tag is, and artifacts elsewhere."""

BUSY_TIMEOUT_S = 20.0
"""How long to wait for somebody who has locked the file; MLflow waits as long."""


def make_folder(folder: Path) -> Path:
    """Return the folder, made where it was missing; raises TrackingError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_error(folder, error) from error
    return folder


def create_database(database: Path) -> None:
    """Create the file on first use; many processes may do so at once."""
    if database.exists():
        return
    try:
        with FileLock(make_folder(database.parent) / f".{database.name}.lock"):
            if not database.exists():
                build_database(database)
    except OSError as error:
        raise unwritable_error(database.parent, error) from error


def address_of(database: Path) -> str:
    """Return the address of the file, whatever signs are in its path.

    The driver is named because MLflow would make the folder of a shorter address, quotes and all.
    """
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()


def artifacts_of(database: Path) -> str:
    """Return the address of the artifacts that lie beside the file."""
    return (database.parent / "artifacts").as_uri()


def follow_move(database: Path) -> None:
    """Let the artifacts be found again after their folder was moved or copied.

    MLflow keeps absolute addresses (mlflow/mlflow#3144). An experiment of this program lies in
    `artifacts` beside the file. Where one names another folder, and all that its runs have there
    is here too, the addresses of the experiment are rewritten, in one transaction.
    """
    now = artifacts_of(database)
    here = _names(database.parent / "artifacts")
    if not here:
        return  # the file came alone; what it names may still be where it was
    with closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as store:
        if not _moved(store, now, here):
            return
        store.execute("BEGIN IMMEDIATE")
        for experiment, former in _moved(store, now, here):  # asked again, now that nobody writes
            for table, (column, of) in LOCATIONS.items():
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {of} = ? AND ({column} = ? OR substr({column}, 1, ?) = ?)",
                    (now, len(former) + 1, experiment, former, len(former) + 1, f"{former}/"),
                )
        store.execute("COMMIT")


def _moved(store: sqlite3.Connection, now: str, here: set[str]) -> list[tuple[int, str]]:
    """Return our experiments whose artifacts are all here, with their former address."""
    moved = []
    for experiment, former in store.execute(ELSEWHERE, (now,)):
        rows = store.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", (experiment,))
        runs = {run for (run,) in rows}
        there = _names(Path(unquote(former.removeprefix("file://"))))
        if runs & here and runs & there <= here:
            moved.append((experiment, former))
    return moved


def _names(folder: Path) -> set[str]:
    """Return what is in a folder; nothing where it is gone."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def unwritable_error(folder: Path, why: str | OSError) -> TrackingError:
    """Return in one line that the folder of a store cannot be written."""
    said = why if isinstance(why, str) else why.strerror or str(why)
    return TrackingError(
        f"`tracking.folder`={folder}: cannot be written ({said}); "
        "choose a folder you may write to, or tracking=off"
    )


def build_database(database: Path) -> None:
    """Create under another name, then rename: a killed first start leaves nothing half made.

    MLflow's client would make a folder `mlruns` where the process stands, so this is its store.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    draft = database.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    store = SqlAlchemyStore(address_of(draft), artifacts_of(database))
    store.engine.dispose()
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and writers side by side
    draft.replace(database)
