"""Opens the tracking store, and puts right what processes that died have left in it."""

import sys
from errno import EROFS

from src.config.settings import Tracking, without_password
from src.errors import TrackingError
from src.tracking import NOT_USED
from src.tracking.connection import Store, connect
from src.tracking.database import unwritable_error
from src.tracking.recovery import end_orphans, flush


def open_store(settings: Tracking) -> Store:
    """Open the store for a command, creating it on first use; many processes may do so at once.

    Runs without a living owner are ended, and what an earlier process could not send is sent.
    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    store = connect(settings)
    _say_what_is_not_used(store)
    try:
        with store.usable():
            end_orphans(store)
            for line in flush(store):
                print(line, file=sys.stderr)
    except OSError as error:
        why = "read-only" if error.errno == EROFS else error
        raise unwritable_error(store.folder, why) from error
    return store


def open_existing_store(settings: Tracking) -> Store:
    """Open the store as `open_store` does; raises TrackingError where nothing was tracked yet."""
    if settings.uri is None and not (settings.folder / "mlflow.db").exists():
        raise TrackingError(
            f"`tracking.folder`={settings.folder}: nothing is tracked there yet; train first: "
            "python -m src.train"
        )
    return open_store(settings)


def _say_what_is_not_used(store: Store) -> None:
    """Say where runs and models are, where the environment names another place."""
    experiment = store.experiment
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
