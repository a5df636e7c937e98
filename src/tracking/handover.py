"""A stopped training's working folder, left on a server for another machine to resume."""

import shutil
import tempfile
from pathlib import Path

from mlflow.entities import Run as MlflowRun

from src.errors import ConfigError
from src.tracking.connection import Store, all_runs
from src.tracking.owner import owner_of, this_process
from src.tracking.run import LAST, PACKED


def download_workdir(store: Store, run_id: str) -> None:
    """Fetch the working folder of a stopped run, unless it is here and nobody else went on since.

    run_id: the id or the beginning of it; where that names no such run, nothing is done. Raises
    ConfigError where the run has ended meanwhile, or is being worked on.
    """
    found = all_runs(store.client, experiments=[store.experiment_id])
    matches = [run for run in found if run.info.run_id.startswith(run_id)]
    if len(matches) != 1 or _is_here(matches[0], store):
        return
    [run] = matches
    if run.info.status == "RUNNING":
        owner = owner_of(run.data.tags)
        where = owner.host if owner else "another machine"
        raise ConfigError(f"`resume`={run_id}: is being trained on {where}; wait, or stop it there")
    if run.info.status == "FINISHED":
        raise ConfigError(f"`resume`={run_id}: is finished; there is nothing to resume")
    if any(file.path == PACKED for file in store.client.list_artifacts(run.info.run_id)):
        _unpack(store, run.info.run_id)


def _is_here(run: MlflowRun, store: Store) -> bool:
    owner, here = owner_of(run.data.tags), this_process(store.folder)
    ours = owner is not None and (owner.host, owner.folder) == (here.host, here.folder)
    return ours and (store.folder / "runs" / run.info.run_id / LAST).exists()


def _unpack(store: Store, run_id: str) -> None:
    folder = store.folder / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        fetched = Path(store.client.download_artifacts(run_id, PACKED, draft))
        shutil.copytree(fetched, folder, dirs_exist_ok=True, ignore=lambda _, names: [LAST])
        (fetched / LAST).replace(folder / LAST)
