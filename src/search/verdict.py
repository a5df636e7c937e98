"""Whether a target is reached: judged by fresh trainings, not by one lucky trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal, final

from src.search.settings import Objective
from src.stats.intervals import t_interval

Answer = Literal["reached", "not reached", "undecided", "no target"]


@final
@dataclass(frozen=True)
class Verdict:
    """The answer, with the mean of the confirmations and its 95 % t interval over seeds.

    The numbers are None where the best configuration was not trained again; spread is the standard
    deviation between seeds, None below two of them.
    """

    answer: Answer
    mean: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None

    def describe(self, target: float | None) -> str:
        """Return the verdict as a sentence."""
        said = "no target was set" if target is None else f"target {target:g} {self.answer}"
        if self.mean is None:
            return said
        spread = f", spread {self.spread:.4f}" if self.spread is not None else ""
        interval = (
            f", 95 % interval {self.low:.4f} to {self.high:.4f}" if self.spread is not None else ""
        )
        return f"{said}: mean {self.mean:.4f}{spread}{interval} over fresh seeds"


def judge(
    best: float | None, confirmations: Sequence[float], *, target: float | None, by: Objective
) -> Verdict:
    """Judge the confirmations, values of the objective on fresh seeds, against the target.

    Reached or not reached when the whole interval is on that side of the target, else undecided;
    not reached also when no trial came to it. One confirmation has no interval: undecided.
    """
    came_to_it = target is not None and best is not None and by.reaches(best, target)
    if not confirmations:
        return Verdict(_answer(target, came_to_it, None))
    centre = mean(confirmations)
    if len(confirmations) < 2:
        return Verdict(_answer(target, came_to_it, None), centre)
    spread = stdev(confirmations)  # of equal values exactly 0, unlike their t_interval
    low, high = t_interval(list(confirmations)) if spread else (centre, centre)
    sides = None if target is None else (by.reaches(low, target), by.reaches(high, target))
    return Verdict(_answer(target, came_to_it, sides), centre, spread, low, high)


def harder(target: float | None, best: float, *, by: Objective) -> float | None:
    """Return a target that is not reached yet, half as far from perfect again and again.

    None where there was no target, or it was not reached.
    """
    if target is None or target <= 0 or not by.reaches(best, target):
        return None
    perfect = 1.0 if by.direction == "maximize" else 0.0
    while by.reaches(best, target):
        nearer = round((target + perfect) / 2, 6)
        if nearer in (target, perfect):
            return None
        target = nearer
    return target


def _answer(target: float | None, came_to_it: bool, sides: tuple[bool, bool] | None) -> Answer:
    if target is None:
        return "no target"
    if not came_to_it:
        return "not reached"
    if sides is None or sides[0] != sides[1]:
        return "undecided"
    return "reached" if sides[0] else "not reached"
