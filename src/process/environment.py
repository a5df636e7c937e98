"""Sets environment variables: what other libraries read that take no argument for it."""

import os
from collections.abc import Iterable, Mapping


def set_variables(values: Mapping[str, str]) -> None:
    """Set these variables for this process and those it starts."""
    os.environ.update(values)


def set_defaults(values: Mapping[str, str]) -> None:
    """Set those of the variables that nobody has set."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def take_variables(names: Iterable[str]) -> dict[str, str]:
    """Remove the variables, and return those that were set."""
    return {name: os.environ.pop(name) for name in names if name in os.environ}
