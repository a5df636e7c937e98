"""What a person sees of a search: a line a trial, a status line on a terminal, the verdict."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from rich.console import Console
from rich.status import Status

from src.config.commands import command, tracking_overrides, ui_command
from src.search.report import best_command

if TYPE_CHECKING:
    from src.search.outcome import Outcome
    from src.search.request import Request


@final
@dataclass(frozen=True)
class TrialLine:
    """A trial that has ended. best: the best value of the sweep so far, None without one."""

    number: int
    state: str
    values: list[float] | None
    best: float | None
    assignment: Mapping[str, Any]
    seconds: float
    reason: str


@final
class SweepScreen:
    """Prints a line for every trial; on a terminal a status line below it tells what runs now."""

    def __init__(self, *, n_trials: int) -> None:
        self._n_trials = n_trials
        self._began = perf_counter()
        self._finished_before: int | None = None
        self._console = Console(stderr=True)
        on_terminal = sys.stderr.isatty() and sys.stdout.isatty()
        self._status = Status("starting workers", console=self._console) if on_terminal else None

    def __enter__(self) -> "SweepScreen":
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the screen."""
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def trial(self, line: TrialLine) -> None:
        """Print a trial that has ended."""
        value = ", ".join(short(v) for v in line.values) if line.values else line.reason
        best = f"best {short(line.best)}  " if line.best is not None else ""
        chosen = " ".join(f"{key}={short(value)}" for key, value in line.assignment.items())
        self.say(
            f"trial {line.number:>3}  {line.state.lower():<8}  {value}  {best}{chosen}  "
            f"{line.seconds:.1f} s"
        )

    def progress(self, *, finished: int, running: Mapping[int, int], best: float | None) -> None:
        """Show how many trials are done, the best value so far, and the epochs of running ones."""
        if not self._status:
            return
        if self._finished_before is None:
            self._finished_before = finished
        done = finished - self._finished_before
        spent = perf_counter() - self._began
        left = f"  about {spent / done * (self._n_trials - finished):.0f} s left" if done else ""
        trials = "  ".join(f"trial {n}: epoch {epochs}" for n, epochs in running.items())
        value = f"  best {short(best)}" if best is not None else ""
        self._status.update(f"{finished}/{self._n_trials} trials{value}{left}  {trials}")


def print_outcome(outcome: "Outcome", request: "Request") -> None:
    """Print the verdict, the best trial, and where to look."""
    counts = ", ".join(f"{n} {state.lower()}" for state, n in sorted(outcome.counts.items()))
    rows = {
        "stopped because": outcome.stop_reason,
        "trials": counts or "none",
        "epochs": f"{outcome.epochs.trained} trained, {outcome.epochs.saved} saved by pruning",
        "verdict": outcome.verdict.describe(request.settings.target),
        "best trial": "none",
    }
    elsewhere = tracking_overrides(request.plan.tracking)
    if outcome.best is not None:
        run = outcome.best_run or "deleted from the store"
        rows["best trial"] = f"{outcome.best}, run {run}"
    if outcome.test is not None:
        rows["its test accuracy"] = (
            f"{outcome.test['test/accuracy']:.4f}  (95 % interval "
            f"{outcome.test['test/accuracy_low']:.4f} to {outcome.test['test/accuracy_high']:.4f})"
        )
    rows["report"] = str(outcome.folder)
    print()
    for name, value in rows.items():
        print(f"{name:<20}{value}")
    for line in outcome.missing:
        print(f"{'left out':<20}{line}")
    if outcome.best is not None:
        print(f"\ntrain it again with: {best_command(outcome.folder, elsewhere)}")
        print(f"look at it with: {ui_command(request.plan.tracking)}")
    if outcome.best_run is not None:
        promotion = {"promote": outcome.best_run, **elsewhere}
        print(f"make it champion with: {command('compare', promotion)}")


def short(value: Any) -> str:
    """Return a value as people like to read it: four digits that count."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return f"[{','.join(short(item) for item in value)}]"
    return str(value)
