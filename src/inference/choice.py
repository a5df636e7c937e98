"""Which run answers: the one named, else the champion, else the newest on the usual data."""

from src.errors import TrackingError
from src.tracking.queries import StoredRun, StoredRuns
from src.tracking.registry import find_champion, run_of_champion

USUAL = "mnist%"
"""Pattern of the names of the data that this project trains on unless told otherwise."""


def choose_run(stored: StoredRuns, model: str | None) -> tuple[StoredRun, str]:
    """Return the run to use and why it was taken, for people.

    model: a run's id, its beginning, or its name; None where the user named none. Raises
    ConfigError where there is no such run, and TrackingError where there is none at all, or where
    the champion's was deleted.
    """
    if model is not None:
        return stored.find(model, key="model"), "as asked"
    champion = find_champion(stored.store)
    if champion is not None:
        return run_of_champion(stored.store, champion), f"the champion, version {champion.version}"
    if usual := stored.newest(1, data=USUAL):
        return usual[0], "the newest finished run on MNIST, as there is no champion"
    newest = stored.newest(1)
    if not newest:
        raise TrackingError(
            f"`tracking.experiment`={stored.store.experiment}: has neither a champion nor a "
            "finished run; train a model first: python -m src.train"
        )
    return newest[0], "the newest finished run, as there is no champion"
