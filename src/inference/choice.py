"""Which run answers: the one named, else the champion, else the newest on the usual data."""

from src.errors import ConfigError, TrackingError
from src.tracking.queries import StoredRun, StoredRuns
from src.tracking.registry import find_champion, run_of_champion

USUAL = "mnist%"
"""Pattern of the names of the data that this project trains on unless told otherwise."""


def choose_run(stored: StoredRuns, model: str | None) -> tuple[StoredRun, str]:
    """Return the run to use and why it was taken, for people.

    model: a run's id, its beginning, or its name; None where the user named none. Raises
    ConfigError where there is no such run or it cannot answer, and TrackingError where there is
    none at all, or where the champion's was deleted.
    """
    champion = find_champion(stored.store) if model is None else None
    if model is not None:
        run, why = stored.find(model, key="model"), "as asked"
    elif champion is not None:
        run = run_of_champion(stored.store, champion)
        why = f"the champion, version {champion.version}"
    else:
        return _newest(stored)
    if run.unfit:
        raise ConfigError(f"`model`={model or f'{run.id}, {why}'}: {run.unfit}")
    return run, why


def _newest(stored: StoredRuns) -> tuple[StoredRun, str]:
    if usual := stored.newest(1, data=USUAL):
        return usual[0], "the newest finished run on MNIST, as there is no champion"
    if newest := stored.newest(1):
        return newest[0], "the newest finished run, as there is no champion"
    lacking = "run that can answer, of grey images and with some kept to validate"
    raise TrackingError(
        f"`tracking.experiment`={stored.store.experiment}: has neither a champion nor a "
        f"{lacking if stored.finished else 'finished run'}; train a model first: "
        "python -m src.train"
    )
