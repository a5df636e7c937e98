"""A search space as written in YAML: which values a trial may take, and how Optuna draws them."""

from collections.abc import Iterator, Mapping
from typing import Any, final

from optuna import Trial
from pydantic import ValidationError

from src.errors import ConfigError
from src.search.entries import Choices, Entry, Layers, Range

RULES = {
    "missing": "is missing",
    "extra_forbidden": "is unknown; an entry has low, high, log, step, or choices, or layers and "
    "width, and when",
    "too_short": "should not be empty",
    "list_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a range {low: ..., high: ...}, or {choices: [...]}",
}
"""Rules that pydantic words in its own terms."""
Assignment = dict[str, Any]
"""Values of one trial by configuration key, such as `{"optimizer.lr": 0.01, "model": "dnn"}`."""


@final
class Space:
    """The searched entries in the order they are drawn, and the fixed values beside them."""

    def __init__(self, entries: Mapping[str, Entry], fixed: Assignment) -> None:
        self.entries = dict(entries)
        self.fixed = dict(fixed)

    def draw(self, trial: Trial, base: Mapping[str, Any]) -> Assignment:
        """Return the values of a trial; base: values outside of the space that `when` may name."""
        drawn: Assignment = dict(self.fixed)
        for key, entry in self.entries.items():
            if condition_met(entry.when, {**base, **drawn}):
                drawn[key] = entry.draw(key, trial)
        return drawn

    def encode(self, assignment: Assignment) -> dict[str, Any]:
        """Return the Optuna parameters of values to try first.

        Raises ConfigError for keys that the space does not search, and values it does not hold.
        """
        problems, params = [], dict[str, Any]()
        for key, value in assignment.items():
            entry = self.entries.get(key)
            if key in self.fixed and self.fixed[key] != value:
                problems.append(f"`enqueue`: {key}={value!r}, but it is fixed: {self.fixed[key]!r}")
            elif key not in self.fixed and entry is None:
                problems.append(
                    f"`enqueue`: {key} is not in the space; it searches {', '.join(self.entries)}"
                )
            elif entry is not None and not entry.contains(value):
                rule = entry.model_dump(exclude_defaults=True, exclude={"when"})
                problems.append(f"`enqueue`: {key}={value!r} is not in the space, {rule}")
            elif entry is not None:
                params |= entry.encode(key, value)
        if problems:
            raise ConfigError(*problems)
        return params

    def bounds(self) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
        """Yield every key with each extreme value and the condition under which it exists."""
        for key, value in self.fixed.items():
            yield key, value, {}
        for key, entry in self.entries.items():
            for value in entry.extremes():
                yield key, value, entry.when

    def describe(self) -> dict[str, Any]:
        """Return the space as plain values, for comparing two spaces."""
        searched = {k: e.model_dump(exclude_defaults=True) for k, e in self.entries.items()}
        return {**searched, **self.fixed}


def make_space(written: Mapping[str, Any]) -> Space:
    """Read the space of a sweep's YAML; raises ConfigError with every problem found."""
    entries: dict[str, Entry] = {}
    fixed = {str(key): value for key, value in written.items() if _kind(value) is None}
    problems: list[str] = []
    for key, value in written.items():
        if (kind := _kind(value)) is None:
            continue
        try:
            entries[str(key)] = kind.model_validate(value)
        except ValidationError as error:
            problems.extend(_line(key, p) for p in error.errors(include_url=False))
    for key, entry in entries.items():
        later = set(list(entries)[list(entries).index(key) :]) & entry.when.keys()
        problems.extend(
            f"`space.{key}.when`: {other} must stand before {key}" for other in sorted(later)
        )
    if problems:
        raise ConfigError(*problems)
    return Space(entries, fixed)


def _line(key: str, problem: Any) -> str:
    """Return what is wrong at a place below a key, in one line."""
    place = [str(part) for part in problem["loc"] if not str(part).startswith("(")]
    rule = RULES.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    got = "" if isinstance(problem["input"], dict) else f", got {problem['input']!r}"
    return f"`{'.'.join(['space', str(key), *place])}`: {rule}{got}"


def _kind(value: Any) -> type[Range] | type[Choices] | type[Layers] | None:
    if not isinstance(value, Mapping):
        return None
    layers = Layers if "layers" in value or "width" in value else Range
    return Choices if "choices" in value else layers


def condition_met(when: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Tell whether every key has the value, or one of the values, that the condition wants."""
    return all(
        values.get(key) in (wanted if isinstance(wanted, list) else [wanted])
        for key, wanted in when.items()
    )
