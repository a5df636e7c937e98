"""What a person sees of a comparison: what is being done, the answer, where to look next."""

from typing import TYPE_CHECKING

from src.comparison.judgement import named, winner
from src.comparison.report import reckoning, test_set_disclosure
from src.config.commands import command, tracking_overrides, ui_command
from src.tracking.registry import find_champion

if TYPE_CHECKING:
    from src.comparison.champion import Promotion
    from src.comparison.contenders import Selection
    from src.comparison.session import Outcome
    from src.tracking.connection import Store
    from src.tracking.registry import Champion


def print_selection(selection: "Selection") -> None:
    """Print what is compared, on which data, and how to choose another."""
    data = ", ".join(dict.fromkeys(contender.shown.data for contender in selection.contenders))
    others = (
        " (the newest with two models; compare.data=NAME chooses another: "
        f"{', '.join(selection.others)})"
    )
    print(
        f"comparing {', '.join(map(named, selection.contenders))} on the {selection.split} images "
        f"of {data}{others if selection.others else ''}",
        flush=True,
    )


def print_outcome(outcome: "Outcome", store: "Store") -> None:
    """Print the answer, a table, how it was reckoned, and where the report is."""
    comparison = outcome.comparison
    answer, *others = comparison.sentences
    print(answer)
    width = max(len(named(contender)) for contender in comparison.contenders) + 2
    print(f"\n{'':<{width}}accuracy  95 % interval        log loss  parameters")
    for contender, score in zip(comparison.contenders, comparison.standings, strict=True):
        parameters = contender.shown.metrics["model/parameters"]
        print(
            f"{named(contender):<{width}}{score.accuracy:.4f}    "
            f"{score.low:.4f} to {score.high:.4f}    {score.log_loss:.4f}    "
            f"{parameters:>10,.0f}"
        )
    data = comparison.contenders[0].shown.tags["data"]
    images = " and ".join(f"{n:,}" for n in dict.fromkeys(s.images for s in comparison.standings))
    print(f"\ncompared on {images} {comparison.selection.split} images of {data}")
    for said in others:
        print(said)
    for line in reckoning(comparison):
        print(f"reckoned: {line}")
    print(test_set_disclosure(comparison))
    for line in (*comparison.selection.notes, *comparison.missing):
        print(f"note: {line}")
    print(f"\nreport    {outcome.folder / 'report.html'}")
    print(f"for a PR  {outcome.folder / 'report.md'}")
    print(f"run       {outcome.run_id}; look at it with: {ui_command(store.settings)}")


def print_promote_command(outcome: "Outcome", store: "Store") -> None:
    """Print how to make the winner champion, where there is one that is not champion already."""
    place = winner(outcome.comparison.pairs)
    if place is None:
        return
    contender, champion = outcome.comparison.contenders[place], find_champion(store)
    is_champion = champion is not None and champion.run_id in {run.id for run in contender.runs}
    if not is_champion and not contender.shown.unfit:
        values = {"promote": contender.shown.id, **tracking_overrides(store.settings)}
        print(f"make the winner champion with: {command('compare', values)}")


def print_promotion(promotion: "Promotion", store: "Store") -> None:
    """Print what was decided, why, and how to go back."""
    if promotion.outcome is not None:
        print_outcome(promotion.outcome, store)
        print()
    print(promotion.words)
    if promotion.promoted:
        elsewhere = tracking_overrides(store.settings)
        print(f"\nuse it with:  {command('predict', elsewhere, 'digit.png')}")
        print(f"go back with: {command('compare', elsewhere, 'rollback=true')}")


def print_rollback(before: "Champion", now: "Champion") -> None:
    """Print who was champion, and who is now."""
    print(f"champion is again {_version(now)}; it was {_version(before)}")


def _version(champion: "Champion") -> str:
    return f"version {champion.version}, run {champion.run_id}"
