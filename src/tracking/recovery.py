"""What processes that died have left: runs nobody works on, and news nobody has sent."""

import platform

from filelock import Timeout

from src.errors import TrainingFailed
from src.tracking.connection import Store, all_runs
from src.tracking.outbox import KEPT
from src.tracking.owner import OWNER, owner_of
from src.tracking.run import Run


def end_orphans(store: Store) -> None:
    """End every run that is RUNNING though the process of this host that owned it is dead.

    It stays one that can be gone on with. On a server, only runs of this folder are judged: a host
    of the same name may be another.
    """
    owned = f"attributes.status = 'RUNNING' and tags.`{OWNER}` LIKE '%'"
    for found in all_runs(store.client, owned):
        owner, folder = owner_of(found.data.tags), store.folder / "runs" / found.info.run_id
        if owner is None or owner.host != platform.node() or owner.is_alive:
            continue
        if store.is_server and owner.folder != str(store.folder) and not folder.exists():
            continue
        run = Run(store, found.info.run_id, folder)
        try:
            run.hold(wait_s=0)
        except Timeout:
            continue  # somebody is resuming it just now
        if store.client.get_run(run.id).info.status == "RUNNING":
            by_hand = "mlflow.parentRunId" not in found.data.tags  # a sweep tries its trials anew
            run.finish("KILLED", reason="its process died", resumable=by_hand)
        else:
            run.unlock()


def flush(store: Store) -> list[str]:
    """Send what runs of this folder have kept for this store; return a line for each."""
    sent = []
    for kept in sorted((store.folder / "runs").glob(f"*/{KEPT}")):
        run = Run(store, kept.parent.name, kept.parent)
        try:
            run.hold(wait_s=0)
        except Timeout:
            continue  # its own process is at it
        try:
            if run.flush():
                sent.append(f"run {run.id}: what was kept for the store has been sent")
        except TrainingFailed as error:  # as of a run that somebody has deleted
            aside = kept.rename(kept.with_suffix(".refused"))
            sent.append(f"{error}; what it was to get lies in {aside}")
        run.unlock()
    return sent
