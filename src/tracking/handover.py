"""A stopped training's working folder, left on a server for another machine to resume."""

import platform
import shutil
import tempfile
from pathlib import Path

from mlflow.entities import Run as StoredRun

from src.errors import ConfigError
from src.tracking.connection import Store, all_runs
from src.tracking.owner import owner_of

PACKED = "resume"
"""Name of the folder among a run's artifacts."""

LAST = "last.ckpt"
"""What makes a working folder one to go on from; it is put in its place after the rest."""

STAYS = ("lock", "unsent*")
"""What of a working folder belongs to the machine it is on."""


def pack(folder: Path, draft: Path) -> None:
    """Copy a working folder to where its files are sent to the server from."""
    shutil.copytree(folder, draft / PACKED, ignore=shutil.ignore_patterns(*STAYS, "*.draft"))


def download_workdir(store: Store, run_id: str) -> None:
    """Fetch the working folder of a stopped run, unless it is here and nobody else went on since.

    run_id: the id or the beginning of it; where that names no such run, nothing is done. Raises
    ConfigError where the run has ended meanwhile, or is being worked on.
    """
    found = all_runs(store.client, [store.experiment_id])
    matches = [run for run in found if run.info.run_id.startswith(run_id)]
    if len(matches) != 1 or _is_here(matches[0], store):
        return
    [run] = matches
    owner = owner_of(run.data.tags)
    if run.info.status == "RUNNING":
        host = owner.host if owner else "another machine"
        raise ConfigError(f"`resume`={run_id}: is being trained on {host}; wait, or stop it there")
    if run.info.status == "FINISHED":
        raise ConfigError(f"`resume`={run_id}: is finished; there is nothing to resume")
    if any(file.path == PACKED for file in store.client.list_artifacts(run.info.run_id)):
        _unpack(store, run.info.run_id)


def _is_here(run: StoredRun, store: Store) -> bool:
    owner = owner_of(run.data.tags)
    ours = owner and (owner.host, owner.folder) == (platform.node(), str(store.folder))
    return bool(ours) and (store.folder / "runs" / run.info.run_id / LAST).exists()


def _unpack(store: Store, run_id: str) -> None:
    folder = store.folder / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        fetched = Path(store.client.download_artifacts(run_id, PACKED, draft))
        shutil.copytree(fetched, folder, dirs_exist_ok=True, ignore=lambda _, names: [LAST])
        (fetched / LAST).replace(folder / LAST)
