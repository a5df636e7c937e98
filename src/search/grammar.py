"""Ranges on the command line, in Hydra's own sweep grammar, as entries of a search space."""

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
        if override is None or not override.is_sweep_override():
            others.append(argument)
        else:
            ranges[override.key_or_group] = _entry(override)
    return others, ranges


def _entry(override: Override) -> dict[str, Any]:
    sweep = override.value()
    unknown = sorted(getattr(sweep, "tags", set()) - {"log"})
    if unknown:
        raise ConfigError(f"`{override.input_line}`: unknown tag {unknown[0]}; there is only log")
    log = {"log": True} if "log" in getattr(sweep, "tags", set()) else {}
    if isinstance(sweep, IntervalSweep):
        return {"low": sweep.start, "high": sweep.end, **log}
    if isinstance(sweep, RangeSweep):
        assert sweep.start is not None
        assert sweep.stop is not None
        last = sweep.stop - sweep.step if isinstance(sweep.stop, int) else sweep.stop
        return {"low": sweep.start, "high": last, "step": sweep.step}
    assert isinstance(sweep, ChoiceSweep)
    return {"choices": [_plain(choice) for choice in sweep.list]}


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return [_plain(item) for item in value] if isinstance(value, list) else value
