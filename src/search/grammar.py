"""Ranges on the command line, in Hydra's own sweep grammar, as entries of a search space."""

import math
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException

from src.errors import ConfigError


def split_ranges(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the arguments that are no ranges, and the ranges by key as a YAML would give them.

    `interval(a, b)` is a range of numbers, whole ones with `int(...)`; `range(a, b, step)` whole
    steps without the end, as in Python; `choice(a, b)` and `a,b` are choices; `tag(log, ...)`
    makes a scale logarithmic.
    Raises ConfigError for a tag or cast that a space does not have.
    """
    parser = OverridesParser.create()
    others: list[str] = []
    ranges: dict[str, Any] = {}
    for argument in arguments:
        try:
            override = None if argument.startswith("-") else parser.parse_override(argument)
        except HydraException:
            override = None  # said later, with all other mistakes
        if override is None or override.is_delete() or not override.is_sweep_override():
            others.append(argument)
        else:
            ranges[override.key_or_group] = _entry(override)
    return others, ranges


def _entry(override: Override) -> dict[str, Any]:
    sweep, said = override.value(), override.input_line
    tags: set[str] = getattr(sweep, "tags", set())
    unknown = sorted(tags - {"log"})
    if unknown:
        raise ConfigError(f"`{said}`: unknown tag {unknown[0]}; there is only log")
    if tags and not isinstance(sweep, IntervalSweep):
        raise ConfigError(f"`{said}`: only interval(...) can have a log scale")
    if isinstance(sweep, IntervalSweep):
        return {"low": sweep.start, "high": sweep.end, **({"log": True} if tags else {})}
    if isinstance(sweep, RangeSweep):
        return _steps(sweep, said)
    if not isinstance(sweep, ChoiceSweep):
        raise ConfigError(f"`{said}`: write the choices out, as in choice(a, b)")
    return {"choices": [_plain(choice) for choice in sweep.list]}


def _steps(sweep: RangeSweep, said: str | None) -> dict[str, Any]:
    assert sweep.start is not None
    assert sweep.stop is not None
    ends = (sweep.stop - sweep.start) / sweep.step if sweep.step else 0
    if not 0 < ends < math.inf:
        raise ConfigError(f"`{said}`: there is nothing in this range")
    last = sweep.start + (math.ceil(ends) - 1) * sweep.step
    low, high = sorted((sweep.start, last))
    return {"low": low, "high": high, "step": abs(sweep.step)}


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return [_plain(item) for item in value] if isinstance(value, list) else value
