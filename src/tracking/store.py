"""Opens the tracking store, and puts right what processes that died have left in it."""

import sys
from functools import cache
from pathlib import Path

from src.settings import Tracking
from src.tracking.connection import Store, connect, usable
from src.tracking.leftovers import end_orphans, send_kept


def open_store(settings: Tracking) -> Store:
    """Open the store, creating it on first use; many processes may do so at once.

    The first time in the life of a process, runs without a living owner are ended, and what an
    earlier process could not send is sent.
    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    return _open(settings.uri, settings.folder.resolve(), settings.experiment)


@cache
def _open(uri: str | None, folder: Path, experiment: str) -> Store:
    settings = Tracking(uri=uri, folder=folder, experiment=experiment)
    store = connect(settings)
    with usable(settings):
        end_orphans(store)
        for line in send_kept(store):
            print(line, file=sys.stderr)
    return store
