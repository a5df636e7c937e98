"""`python -m src.compare`: say which of the tracked runs is better, and how sure that is."""

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import resolved
from src.comparison.settings import make_request
from src.errors import CommandFailed
from src.process.gc_pause import resume_gc
from src.process.signals import stop_on_signals
from src.process.streams import status

OPENING = "opening the store"


def compare_command(config: DictConfig) -> None:
    """Check the configuration, compare or decide on a champion, print the answer."""
    request = make_request(resolved(config))
    # loaded only now, so that a mistake on the command line is answered at once
    from src.tracking.queries import StoredRuns
    from src.tracking.store import open_existing_store

    store = open_existing_store(request.tracking)
    if request.rollback:
        from src.comparison.screen import print_rollback
        from src.tracking.registry import rollback

        print_rollback(*rollback(store, reason=request.reason))
        return
    stored = StoredRuns(store)
    if request.promote is not None:
        from src.comparison.champion import promote
        from src.comparison.screen import print_promotion

        with status(OPENING) as say:
            promotion = promote(stored, request, named=request.promote, say=say)
        print_promotion(promotion, store)
        if not promotion.promoted:
            raise CommandFailed(
                "not promoted; promote it all the same with force=true reason='...'"
            )
        return
    from src.comparison.contenders import select
    from src.comparison.screen import print_outcome, print_promote_command, print_selection
    from src.comparison.session import compare

    resume_gc()
    selection = select(stored, request.which)
    print_selection(selection)
    over = None
    if request.which.splits is not None:
        from src.comparison.splits import train_over_splits

        with stop_on_signals() as stop, status(OPENING) as say:
            over = train_over_splits(
                stored, selection, request.which.splits, say=say, check_stop=stop.check
            )
    with status(OPENING) as say:
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


if __name__ == "__main__":
    run_verb(compare_command, config_name="compare", check=make_request)
