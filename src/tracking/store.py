"""Opens the tracking store, and puts right what processes that died have left in it."""

import sys
from functools import cache
from pathlib import Path

from src.config.settings import Tracking, without_password
from src.tracking import NOT_USED
from src.tracking.connection import Store, connect, usable
from src.tracking.recovery import end_orphans, flush


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
    _say_what_is_not_used(store, experiment)
    with usable(settings):
        end_orphans(store)
        for line in flush(store):
            print(line, file=sys.stderr)
    return store


def _say_what_is_not_used(store: Store, experiment: str) -> None:
    """Say where runs and models are, where the environment names another place."""
    here = {store.uri or f"sqlite:///{store.folder}/mlflow.db", experiment}
    others = {name: without_password(v) for name, v in NOT_USED.items() if v not in here}
    if others:
        said = ", ".join(f"{name}={value}" for name, value in others.items())
        print(
            f"{said}: not used; runs and models are in {store.uri or store.folder}, experiment "
            f"{experiment}; another place is named by tracking.uri=ADDRESS, "
            "another experiment by tracking.experiment=NAME",
            file=sys.stderr,
        )
