"""`python -m src.compare`: say which of the tracked runs is better, and how sure that is."""

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import resolved
from src.comparison.settings import Request, make_request
from src.process.gc_pause import loaded


def compare_command(config: DictConfig) -> None:
    """Check the configuration, compare or decide on a champion, print the answer."""
    request = make_request(resolved(config))
    # loaded only now, so that a mistake on the command line is answered at once
    from src.tracking.queries import StoredRuns

    if request.rollback:
        rollback_command(request)
        return
    stored = StoredRuns(request.tracking)
    if request.promote is not None:
        from src.comparison.champion import promote
        from src.comparison.screen import print_promotion, progress

        with progress() as say:
            promotion = promote(stored, request, named=request.promote, say=say)
        print_promotion(promotion, request.tracking)
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

    loaded()
    selection = select(stored, request.which)
    print_selection(selection)
    with progress() as say:
        outcome = compare(stored, selection, request.tracking, name=request.name, say=say)
    print_outcome(outcome, request.tracking)
    print_promote_command(outcome, request.tracking)


def rollback_command(request: Request) -> None:
    """Make the champion before this one champion again, and say so."""
    from src.comparison.screen import print_rollback
    from src.tracking.registry import rollback

    print_rollback(rollback(request.tracking, reason=request.reason))


if __name__ == "__main__":
    run_verb(compare_command, config_name="compare", check=make_request)
