"""How a session of a search ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from src.search.confirm import Candidate
from src.search.verdict import Verdict


@final
@dataclass(frozen=True)
class Outcome:
    """How a session ended. best: number of the winner's trial, None where none was finished.

    best_run: its run; handed_over: the run to use, the refit's where there is one (refitted), else
    the same; None where that was deleted. finalists: the best trials, the best value first.
    test: metrics of what is handed over on the test images, None where they were not looked at.
    utilisation: share of the workers' time spent on trials; seconds: in all sessions,
    searching: those of the search itself.
    missing: what of the report could not be made, and why.
    advice: what the trials say of the search.
    """

    name: str
    stop_reason: str
    verdict: Verdict
    best: int | None
    best_run: str | None
    best_values: list[float] | None
    handed_over: str | None
    refitted: bool
    finalists: list[Candidate]
    test: Mapping[str, float] | None
    counts: Mapping[str, int]
    folder: Path
    parent: str
    utilisation: float
    seconds: float
    searching: float
    missing: list[str]
    advice: Sequence[str] = ()

    @property
    def finished(self) -> int:
        """How many trials count towards `n_trials`."""
        return self.counts.get("COMPLETE", 0) + self.counts.get("PRUNED", 0)

    def luck(self) -> str | None:
        """Say what the best trial has come to on fresh seeds, and the winner where it is another.

        None where there were none.
        """
        shown = self.finalists[:1] + [c for c in self.finalists[1:] if c.number == self.best]
        said = [
            f"trial {c.number}: {c.value:.4f} in the search, {c.fresh:.4f} on fresh seeds"
            for c in shown
            if c.fresh is not None
        ]
        return "; ".join(said) or None
