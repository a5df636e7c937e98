"""What a person reads at the end of a search: the verdict, the winner, and where to look next."""

import shlex
from collections.abc import Sequence

from src.config.commands import command, tracking_overrides, ui_command
from src.search.outcome import Outcome
from src.search.refit import ROWS
from src.search.report import best_command
from src.search.request import Request
from src.search.screen import SweepScreen, number
from src.search.verdict import harder


def print_outcome(
    outcome: Outcome, request: Request, screen: SweepScreen, *, said: Sequence[str]
) -> None:
    """Print the best trials, the verdict, and where to look; said: the command line."""
    print()
    if len(outcome.finalists) > 1 and outcome.verdict.mean is not None:
        screen.row("", "in search", "fresh", "seeds", screen.columns.heading)
        for found in outcome.finalists:
            fresh = "" if found.fresh is None else number(found.fresh)
            values = screen.columns.line(found.assignment)
            seeds = str(len(found.confirmed))
            screen.row(f"trial {found.number:>3}", number(found.value), fresh, seeds, values)
        print()
    for name, value in _rows(outcome, request).items():
        print(f"{name:<20}{value}")
    if outcome.advice:
        print("\nwhat the trials say:")
    for line in outcome.advice:
        print(f"  {line}")
    elsewhere = tracking_overrides(request.plan.tracking)
    if outcome.best is not None:
        print(f"\ntrain it again with: {best_command(outcome.folder, elsewhere)}")
        print(f"look at it with: {ui_command(request.plan.tracking)}")
    if outcome.handed_over is not None:
        promotion = {"promote": outcome.handed_over, **elsewhere}
        print(f"make it champion with: {command('compare', promotion)}")
    if (further := _further(outcome, request, said)) is not None:
        print(f"search on with: {further}")


def _rows(outcome: Outcome, request: Request) -> dict[str, str]:
    counts = ", ".join(f"{n} {state.lower()}" for state, n in sorted(outcome.counts.items()))
    rows = {
        "stopped because": outcome.stop_reason,
        "trials": counts or "none",
        "verdict": outcome.verdict.describe(request.settings.target),
        "winner": "none",
    }
    if outcome.best is not None:
        run = outcome.best_run or "deleted from the store"
        rows["winner"] = f"trial {outcome.best}, run {run}"
    if (luck := outcome.luck()) is not None:
        rows["how much was luck"] = luck
    if outcome.refitted:
        run = outcome.handed_over or "deleted from the store"
        rows["trained once more"] = f"on {ROWS}, run {run}"
    if outcome.test is not None:
        rows["its test accuracy"] = (
            f"{outcome.test['test/accuracy']:.4f}  (95 % interval "
            f"{outcome.test['test/accuracy_low']:.4f} to {outcome.test['test/accuracy_high']:.4f})"
        )
    left_out = {"left out": "; ".join(outcome.missing)} if outcome.missing else {}
    return {**rows, "report": str(outcome.folder / "report.html"), **left_out}


def _further(outcome: Outcome, request: Request, said: Sequence[str]) -> str | None:
    """Return the command that searches on for a target which no trial has reached yet."""
    settings, best = request.settings, outcome.finalists[:1]
    goal = harder(settings.target, best[0].value, by=settings.objective[0]) if best else None
    if goal is None:
        return None
    new = {"target": f"{goal:g}"}
    if outcome.finished >= settings.n_trials:
        new["n_trials"] = str(2 * settings.n_trials)
    if settings.timeout_minutes is not None and outcome.searching > 60 * settings.timeout_minutes:
        new["timeout_minutes"] = f"{2 * settings.timeout_minutes:g}"
    kept = [word for word in said if word.partition("=")[0] not in {*new, "fresh"}]
    return shlex.join(["python", "-m", "src.sweep", *kept, *(f"{k}={v}" for k, v in new.items())])
