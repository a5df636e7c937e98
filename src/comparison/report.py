"""The report of a comparison: one HTML file that needs nothing else, and Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import final

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import ContenderScore, PairwiseResult, named, p_number, points
from src.comparison.pictures import FigureGroup
from src.comparison.splits import OverSplits
from src.figures.page import data_uri, make_renderer
from src.tracking.queries import TestSetUsage

TEMPLATES = Path(__file__).parent / "templates"
ABSENT = "–"
RECKONED = {
    "McNemar": "two trained models on the same images: McNemar's exact test (1947), the interval "
    "by a paired bootstrap (Efron 1979)",
    "seeds and images": "configurations: the variance over seeds and images together, degrees of "
    "freedom by Satterthwaite (1946)",
    "Fisher": "two trained models on different images: Fisher's exact test (1935), the interval by "
    "Newcombe (1998)",
    "splits": "splits: the corrected resampled t test of Nadeau and Bengio (2003), on each split's "
    "own validation images",
}
"""How each method reckons, in a line."""


@final
@dataclass(frozen=True)
class Comparison:
    """A finished comparison, ready to be told.

    sentences: one a pair, or what there is to say without one. looks: at the test images, None
    where no contender has looked. decision: on a champion, empty where none was asked for.
    missing: what could not be made, and why. over: what came of other splits, None without them.
    """

    made: datetime
    selection: Selection
    standings: tuple[ContenderScore, ...]
    pairs: tuple[PairwiseResult, ...]
    sentences: tuple[str, ...]
    galleries: Sequence[FigureGroup]
    looks: TestSetUsage | None
    decision: str
    missing: Sequence[str]
    over: OverSplits | None

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
        return {pair.method for pair in self.pairs} | ({"splits"} if self.over else set())


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write report.html and report.md into a folder."""
    filters: dict[str, Callable[..., str]] = {
        "points": points,
        "p_number": p_number,
        "named": named,
        "data_uri": _data_uri,
        "cell": _cell,
        "seconds": _seconds,
    }
    render = make_renderer(TEMPLATES, filters=filters)
    scored = zip(comparison.contenders, comparison.standings, strict=True)
    known = {
        "c": comparison,
        "differing": differing_params(comparison.contenders),
        "rows": sorted(scored, key=lambda row: -row[1].accuracy),
        "test_set_disclosure": test_set_disclosure(comparison),
        "reckoning": [*reckoning(comparison)],
    }
    for name in ("report.html", "report.md"):
        (folder / name).write_text(render(f"{name}.j2", known), encoding="utf-8")


def differing_params(contenders: Sequence[Contender]) -> Mapping[str, list[str]]:
    """Return of the parameters only those that differ, with the value of each contender."""
    found = {}
    for key in sorted({key for c in contenders for key in c.shown.params} - {"seed"}):
        values = [contender.shown.params.get(key, ABSENT) for contender in contenders]
        if len(set(values)) > 1:
            found[key] = [_brief(value) for value in values]
    return found


def _brief(value: str) -> str:
    """Return a number with four digits that count; another value as it is."""
    try:
        return f"{float(value):.4g}" if "." in value else value
    except ValueError:
        return value


def test_set_disclosure(comparison: Comparison) -> str:
    """Return how often the test images have been looked at, and what was chosen by that."""
    looks = comparison.looks
    if looks is None:
        return "None of these runs has looked at the test images."
    times = {1: "once", 2: "twice"}.get(looks.looks, f"{looks.looks} times")
    runs = "one run" if looks.runs == 1 else f"{looks.runs} runs"
    said = f"These test images have been looked at {times}, by {runs}"
    challenges = looks.challenges + bool(comparison.decision)
    if challenges == 0:
        return f"{said}; no champion was chosen by them."
    chosen = "1 challenge" if challenges == 1 else f"{challenges} challenges"
    return (
        f"{said}. Warning: {chosen} for the champion went by test results, so that the champion's "
        "may look a little too good; the next challenge needs a smaller p."
    )


def reckoning(comparison: Comparison) -> Iterator[str]:
    """Yield a line a method; how often each is wrong is measured."""
    if any(len(score.seeds) == 1 for score in comparison.standings):
        yield "a run's interval over images by Wilson (1927)"
    if comparison.several:
        yield (
            "a configuration is the mean of its seeds, never the best of them; its interval is "
            "over seeds and images, on the scale of log odds"
        )
    yield from (words for method, words in RECKONED.items() if method in comparison.methods)
    if any(pair.answer == "equivalent" for pair in comparison.pairs):
        yield "equivalent within a margin: two one-sided tests at 5 % (Schuirmann 1987)"
    if len(comparison.pairs) > 1:
        yield f"p corrected for {len(comparison.pairs)} pairs by Holm (1979), each interval for one"
    yield "how often these are wrong is measured: docs/statistics.md"


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
