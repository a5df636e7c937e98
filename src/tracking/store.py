"""Opens the tracking store, and puts right what processes that died have left in it."""

import sys
from functools import cache
from pathlib import Path

from src.config.settings import Tracking
from src.tracking.connection import Store, connect
from src.tracking.recovery import end_orphans, send_kept


def open_store(settings: Tracking) -> Store:
    """Open the store, creating it on first use; many processes may do so at once.

    The first time in the life of a process, runs without a living owner are ended, and what an
    earlier process could not send is sent.
    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    return _open(settings.uri, settings.folder.resolve(), settings.experiment)


@cache
def _open(uri: str | None, folder: Path, experiment: str) -> Store:
    store = connect(Tracking(uri=uri, folder=folder, experiment=experiment))
    end_orphans(store)
    for line in send_kept(store):
        print(line, file=sys.stderr)
    return store
