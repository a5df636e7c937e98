"""What a person sees of a search: a line a trial, and on a terminal a line of what runs now."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, final

from src.process.streams import status
from src.search.entries import Choices, Entry, Layers, Range
from src.search.space import Space

MAX_WIDTH = 100
"""Characters of a line, at the most."""
MIN_COLUMN = 4
FLOAT_WIDTH, LOG_WIDTH = 5, 8


@final
class Columns:
    """The searched values of trials below each other, under the last part of their keys."""

    def __init__(self, space: Space, *, width: int) -> None:
        """Fit into so many characters if names that are cut allow it."""
        keys = list(space.entries)
        names = short_names(keys)
        widths = {key: _width(entry) for key, entry in space.entries.items()}
        whole = {key: max(widths[key], len(names[key])) for key in keys}
        if sum(whole.values()) + 2 * len(keys) > width:
            whole = {key: max(widths[key], min(len(names[key]), MIN_COLUMN)) for key in keys}
        self._widths, self._entries = whole, space.entries
        self.heading = "  ".join(_cut(names[key], whole[key]).rjust(whole[key]) for key in keys)

    def line(self, assignment: Mapping[str, Any]) -> str:
        """Return the values of a trial; a place is empty where its key did not exist."""
        texts = [
            (_text(self._entries[key], assignment[key]) if key in assignment else "").rjust(width)
            for key, width in self._widths.items()
        ]
        return "  ".join(texts)


@final
class SweepScreen:
    """Prints a line for every trial; on a terminal a status line below it tells what runs now."""

    FORMAT = "{:<9}  {:<9} {:>6} {:>5}  {}"

    def __init__(self, *, n_trials: int, space: Space) -> None:
        self._n_trials = n_trials
        before = len(self.FORMAT.format("", "", "", "", ""))
        self.columns = Columns(space, width=MAX_WIDTH - before)
        self._headed = False
        self._began = perf_counter()
        self._counted: tuple[int, float] | None = None
        self._finished_before: int | None = None
        self.show: Callable[[str], None] = lambda text: None
        """Tells on a terminal what runs now, in the place of what was told before."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep a line below all others for what runs now."""
        with status("starting workers") as self.show:
            yield

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def row(self, *texts: str) -> None:
        """Print a line of the table of trials."""
        self.say(_cut(self.FORMAT.format(*texts).rstrip(), MAX_WIDTH))

    def trial(
        self,
        trial: int,
        *,
        state: str,
        values: list[float] | None,
        best: float | None,
        assignment: Mapping[str, Any],
        seconds: float,
        epochs: int,
        reason: str,
    ) -> None:
        """Print a trial that has ended; best: the best value so far, None without one."""
        if not self._headed:
            self._headed = True
            self.row("", "value", "best", "s", self.columns.heading)
        ended = {"PRUNED": f"pruned@{epochs}", "FAIL": "failed", "STOPPED": "stopped"}
        value = ", ".join(map(number, values)) if values else ended[state]
        if values and reason:  # it breaks a constraint, and cannot win
            value = f"({value})"
        so_far = number(best) if best is not None else ""
        said = reason or self.columns.line(assignment)
        self.row(f"trial {trial:>3}", value, so_far, f"{seconds:.1f}", said)

    def progress(self, *, finished: int, running: Mapping[int, int], best: float | None) -> None:
        """Show how many trials are done, the best value so far, and the epochs of running ones."""
        now = perf_counter()
        if self._finished_before is None:
            self._finished_before = finished
        if self._counted is None or self._counted[0] != finished:
            self._counted = finished, now
        done, left = finished - self._finished_before, ""
        if done:  # from the last trial's end on it falls
            a_trial = (self._counted[1] - self._began) / done
            ends = self._counted[1] + a_trial * (self._n_trials - finished)
            left = f"  about {max(0.0, ends - now):.0f} s left"
        trials = "  ".join(f"trial {n}: epoch {epochs}" for n, epochs in running.items())
        value = f"  best {number(best)}" if best is not None else ""
        self.show(f"{finished:>3}/{self._n_trials} trials{value}{left}  {trials}")


def short_names(keys: list[str]) -> dict[str, str]:
    """Return the last part of every key, with the part before it where that is not unique."""
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)
    }


def number(value: float) -> str:
    """Return a value of the objective: four decimals where it is small."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"


def short(value: Any) -> str:
    """Return a value as people like to read it: three digits that count."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return f"[{','.join(short(item) for item in value)}]"
    return str(value)


def _text(entry: Entry, value: Any) -> str:
    plain = isinstance(entry, Range) and not entry.is_integer and not entry.log
    return f"{value:.3f}" if plain and isinstance(value, float) else short(value)


def _width(entry: Entry) -> int:
    """Return the characters that the values of an entry take, nearly always."""
    if isinstance(entry, Layers):
        most = int(max(entry.layers.extremes()))
        return most * (_width(entry.width) + 1) + 1
    if isinstance(entry, Choices):
        return max(len(short(choice)) for choice in entry.choices)
    assert isinstance(entry, Range)
    if entry.is_integer:
        return max(len(str(end)) for end in entry.extremes())
    return LOG_WIDTH if entry.log else FLOAT_WIDTH


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
