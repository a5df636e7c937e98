"""How a session of a search ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from src.search.study import Epochs
from src.search.verdict import Verdict


@final
@dataclass(frozen=True)
class Outcome:
    """How a session ended. best: number of the best trial, None where none was finished.

    best_run: its run, None where that was deleted.
    test: metrics of the champion on the test images, None where they were not looked at.
    missing: what of the report could not be made, and why.
    """

    name: str
    stop_reason: str
    verdict: Verdict
    best: int | None
    best_run: str | None
    test: Mapping[str, float] | None
    counts: Mapping[str, int]
    epochs: Epochs
    folder: Path
    parent: str
    missing: list[str]
