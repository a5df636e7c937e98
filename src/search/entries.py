"""The entries of a search space: numbers in a range, choices, lists of varying length."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, final

from optuna import Trial
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

FINEST = 2**53
"""The most steps of a range that a float tells apart."""


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _number(value: Any) -> Any:
    if not _is_number(value):
        raise ValueError("must be a number")
    return value


Number = Annotated[int | float, BeforeValidator(_number)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    when: dict[str, Any] = {}
    """Other keys and the value, or list of values, under which this one exists at all."""


@final
class Range(_Entry):
    """Numbers from low to high; whole numbers when all that is given is whole."""

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, but got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale needs low > 0, but got low={self.low}")
        if self.step is not None and (self.log or self.step <= 0):
            raise ValueError("a step must be above 0 and without log")
        if self._step and (self.high - self.low) / self._step > FINEST:
            raise ValueError(f"a range must have at most 2**53 steps, but got step={self._step}")
        return self

    @property
    def is_integer(self) -> bool:
        """Whether only whole numbers are in the range."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def _step(self) -> Number | None:
        return self.step or (1 if self.is_integer else None)

    def extremes(self) -> list[Number]:
        """Return the smallest and the largest value that can be drawn."""
        if not self.step:
            return [self.low, self.high]
        steps = math.floor((self.high - self.low) / self.step + 1e-8)
        return [self.low, round(self.low + steps * self.step, 12)]

    def draw(self, key: str, trial: Trial) -> Number:
        """Return the value of a trial."""
        if self.is_integer:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return trial.suggest_int(key, low, high, step=step, log=self.log)
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: Any) -> bool:
        """Tell whether the value can be drawn."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        if self.is_integer and not isinstance(value, int):
            return False
        steps = (value - self.low) / self._step if self._step else 0
        return math.isclose(steps, round(steps), abs_tol=1e-8)

    def encode(self, key: str, value: Any) -> dict[str, Any]:
        """Return what Optuna calls the parameters that give `value`."""
        return {key: value}


@final
class Choices(_Entry):
    """One of several values: numbers, words, options of a group, lists."""

    choices: list[Any] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> "Choices":
        plain = [_plain(choice) for choice in self.choices]
        if any(one in plain[:place] for place, one in enumerate(plain)):
            raise ValueError("the choices must differ")
        return self

    def extremes(self) -> list[Any]:
        """Return every choice."""
        return self.choices

    def draw(self, key: str, trial: Trial) -> Any:
        """Return the value of a trial."""
        drawn = trial.suggest_categorical(key, [_plain(choice) for choice in self.choices])
        return next(choice for choice in self.choices if _plain(choice) == drawn)

    def contains(self, value: Any) -> bool:
        """Tell whether the value can be drawn."""
        return value in self.choices

    def encode(self, key: str, value: Any) -> dict[str, Any]:
        """Return what Optuna calls the parameters that give `value`."""
        return {key: _plain(value)}


def _part(written: Any) -> str:
    chosen = isinstance(written, Choices) or (isinstance(written, Mapping) and "choices" in written)
    return "(choices)" if chosen else "(range)"


Part = Annotated[
    Annotated[Range, Tag("(range)")] | Annotated[Choices, Tag("(choices)")], Discriminator(_part)
]


@final
class Layers(_Entry):
    """A list of varying length with a value of its own for every place."""

    layers: Part
    width: Part

    @model_validator(mode="after")
    def _counts(self) -> "Layers":
        counts = self.layers.extremes()
        whole = not isinstance(self.layers, Range) or self.layers.is_integer
        if not whole or not all(isinstance(count, int) and count >= 1 for count in counts):
            raise ValueError(f"layers must be whole numbers from 1, but got {counts}")
        if self.layers.when or self.width.when:
            raise ValueError("`when` stands beside layers and width")
        return self

    def extremes(self) -> list[list[Any]]:
        """Return the shortest list of each extreme width, and the longest of the last one."""
        fewest, most = int(min(self.layers.extremes())), int(max(self.layers.extremes()))
        widths = self.width.extremes()
        return [*([width] * fewest for width in widths), [widths[-1]] * most]

    def draw(self, key: str, trial: Trial) -> list[Any]:
        """Return the value of a trial: first the length, then each place."""
        count = int(self.layers.draw(f"{key}.layers", trial))
        return [self.width.draw(f"{key}.{place}", trial) for place in range(1, count + 1)]

    def contains(self, value: Any) -> bool:
        """Tell whether the value can be drawn."""
        if not isinstance(value, list) or not self.layers.contains(len(value)):
            return False
        return all(self.width.contains(width) for width in value)

    def encode(self, key: str, value: Any) -> dict[str, Any]:
        """Return what Optuna calls the parameters that give `value`."""
        places = {f"{key}.{n}": width for n, width in enumerate(value, start=1)}
        return {f"{key}.layers": len(value), **places}


Entry = Range | Choices | Layers


def _plain(value: Any) -> Any:
    """Return what Optuna can store: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value
