"""The report of a comparison: one HTML file that needs nothing else, and Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import final

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import ContenderScore, PairwiseResult, named, p_number, points
from src.comparison.pictures import FigureGroup
from src.figures.page import data_uri, make_renderer
from src.tracking.queries import TestSetUsage

TEMPLATES = Path(__file__).parent / "templates"
ABSENT = "–"


@final
@dataclass(frozen=True)
class Comparison:
    """A finished comparison, ready to be told.

    sentences: one a pair, or what there is to say without one. looks: at the test images, None
    where no contender has looked. decision: on a champion, empty where none was asked for.
    missing: what could not be made, and why.
    """

    title: str
    made: datetime
    selection: Selection
    standings: tuple[ContenderScore, ...]
    pairs: tuple[PairwiseResult, ...]
    sentences: tuple[str, ...]
    galleries: Sequence[FigureGroup]
    looks: TestSetUsage | None
    decision: str
    missing: Sequence[str]

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Who was compared."""
        return self.selection.contenders

    @property
    def several(self) -> bool:
        """Whether a contender was trained on several seeds."""
        return any(len(contender.runs) > 1 for contender in self.contenders)

    @property
    def methods(self) -> set[str]:
        """The tests that were made."""
        return {pair.method for pair in self.pairs}


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write report.html and report.md into a folder."""
    filters: dict[str, Callable[..., str]] = {
        "points": points,
        "p_number": p_number,
        "named": named,
        "data_uri": _data_uri,
        "cell": _cell,
    }
    render = make_renderer(TEMPLATES, filters=filters)
    known = {
        "c": comparison,
        "differing": differing_params(comparison.contenders),
        "seconds": [_seconds(contender) for contender in comparison.contenders],
        "test_set_disclosure": test_set_disclosure(comparison),
    }
    for name in ("report.html", "report.md"):
        (folder / name).write_text(render(f"{name}.j2", known), encoding="utf-8")


def differing_params(contenders: Sequence[Contender]) -> Mapping[str, list[str]]:
    """Return of the parameters only those that differ, with the value of each contender."""
    found = {}
    for key in sorted({key for c in contenders for key in c.shown.params} - {"seed"}):
        values = [contender.shown.params.get(key, ABSENT) for contender in contenders]
        if len(set(values)) > 1:
            found[key] = values
    return found


def test_set_disclosure(comparison: Comparison) -> str:
    """Return how often the test images have been looked at, as sentences."""
    looks = comparison.looks
    if looks is None:
        return "The test images have not been looked at by any of these runs."
    times = {1: "once", 2: "twice"}.get(looks.looks, f"{looks.looks} times")
    runs = "one run" if looks.runs == 1 else f"{looks.runs} runs"
    said = [
        f"This test set has been looked at {times}, by {runs} ({looks.on_split} of the looks by "
        "runs on this split)."
    ]
    if comparison.selection.split == "test":
        used = "1 comparison has" if looks.uses == 0 else f"{looks.uses + 1} comparisons have"
        said.append(f"Counting this one, {used} used the results.")
    return " ".join([*said, "Whatever is chosen by test results looks a little too good on them."])


def _seconds(contender: Contender) -> str:
    """Return the training seconds, from least to most over the seeds."""
    found = [r.metrics.get("seconds/training") for r in contender.runs]
    known = sorted(value for value in found if value is not None)
    if not known:
        return ABSENT
    low, high = f"{known[0]:.1f}", f"{known[-1]:.1f}"
    return low if low == high else f"{low} to {high}"


def _data_uri(path: Path) -> str:
    return data_uri(path.read_bytes(), kind="png")


def _cell(text: object) -> str:
    """Return a text that fits into a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")
