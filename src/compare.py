"""`python -m src.compare`: say which of the tracked runs is better, and how sure that is."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import resolved
from src.comparison.settings import Request, make_request
from src.process.gc_pause import resume_gc
from src.process.signals import stop_on_signals

if TYPE_CHECKING:
    from src.comparison.contenders import Selection
    from src.comparison.splits import OverSplits
    from src.tracking.connection import Store
    from src.tracking.queries import StoredRuns


def compare_command(config: DictConfig) -> None:
    """Check the configuration, compare or decide on a champion, print the answer."""
    request = make_request(resolved(config))
    # loaded only now, so that a mistake on the command line is answered at once
    from src.tracking.queries import StoredRuns
    from src.tracking.store import open_existing_store

    store = open_existing_store(request.tracking)
    if request.rollback:
        rollback_command(store, request)
        return
    stored = StoredRuns(store)
    if request.promote is not None:
        from src.comparison.champion import promote
        from src.comparison.screen import print_promotion, progress

        with progress() as say:
            promotion = promote(stored, request, named=request.promote, say=say)
        print_promotion(promotion, store)
        promotion.require_promoted()
        return
    from src.comparison.contenders import select
    from src.comparison.screen import (
        print_outcome,
        print_promote_command,
        print_selection,
        progress,
    )
    from src.comparison.session import compare

    resume_gc()
    selection = select(stored, request.which)
    print_selection(selection)
    over = _over_splits(stored, selection, request.which.splits)
    with progress() as say:
        outcome = compare(
            stored,
            selection,
            name=request.name,
            margin=request.which.margin / 100,
            say=say,
            over=over,
        )
    print_outcome(outcome, store)
    print_promote_command(outcome, store)


def _over_splits(
    stored: "StoredRuns", selection: "Selection", splits: int | None
) -> "OverSplits | None":
    """Train the contenders on other splits where that is asked for."""
    if splits is None:
        return None
    from src.comparison.screen import progress
    from src.comparison.splits import train_over_splits

    with stop_on_signals() as stop, progress() as say:
        return train_over_splits(stored, selection, splits, say=say, check_stop=stop.check)


def rollback_command(store: "Store", request: Request) -> None:
    """Make the champion before this one champion again, and say so."""
    from src.comparison.screen import print_rollback
    from src.tracking.registry import rollback

    print_rollback(rollback(store, reason=request.reason))


if __name__ == "__main__":
    run_verb(compare_command, config_name="compare", check=make_request)
