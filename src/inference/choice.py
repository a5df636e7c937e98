"""Which run answers: the one named, else the champion, else the newest."""

from src.errors import TrackingError
from src.settings import Tracking
from src.tracking.finding import FinishedRun, expect_store, find_finished, finished_runs
from src.tracking.registry import find_champion


def choose_run(settings: Tracking, model: str | None) -> tuple[FinishedRun, str]:
    """Return the run to use and why it was taken, for people.

    model: a run id or its beginning, None where the user named none. Raises ConfigError where
    there is no such run, and TrackingError where there is none at all.
    """
    if model is not None:
        return find_finished(settings, model), "as asked"
    expect_store(settings)
    champion = find_champion(settings)
    if champion is not None:
        run = find_finished(settings, champion.run_id)
        return run, f"the champion, version {champion.version}"
    newest = finished_runs(settings, most=1)
    if not newest:
        raise TrackingError(
            f"`tracking.experiment`={settings.experiment}: has neither a champion nor a finished "
            "run; train a model first: python -m src.train"
        )
    return newest[0], "the newest finished run, as there is no champion"
