"""Command lines: arguments as Hydra reads them, commands as they can be pasted."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from src.config.settings import Tracking, without_password

PLAIN_KEY = re.compile(r"[A-Za-z_][\w.]*")


def command(verb: str, values: Mapping[str, str | bool], *words: str) -> str:
    """Return `python -m src.VERB WORD ... KEY=VALUE ...`, quoted for Hydra and for the shell."""
    arguments = [argument(key, value) for key, value in values.items()]
    return shlex.join(["python", "-m", f"src.{verb}", *words, *arguments])


def argument(key: str, value: str | bool) -> str:
    """Return KEY=VALUE, in quotes where Hydra's grammar would make something else of a text."""
    if isinstance(value, bool):
        return f"{key}={str(value).lower()}"
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # else it would be an interpolation
    plain = f"{key}={text}"
    if _read(plain) == text:
        return plain
    return f"{key}={QuotedString(text, Quote.double).with_quotes()}"


def quote_files(arguments: Iterable[str]) -> list[str]:
    """Return the arguments with quotes around what Hydra's grammar refuses, but is a file."""
    return [_quoted_file(typed) for typed in arguments]


def exact(typed: str) -> str:
    """Return how to type KEY=VALUE where VALUE is a text; empty where there is no plain key."""
    key, separator, value = typed.partition("=")
    return shlex.quote(argument(key, value)) if separator and PLAIN_KEY.fullmatch(key) else ""


def tracking_overrides(tracking: Tracking) -> dict[str, str | bool]:
    """Return what a command needs to find this store, empty for the default one."""
    default = Tracking()
    return {
        f"tracking.{key}": value if isinstance(value, bool) else without_password(str(value))
        for key, value in tracking.model_dump().items()
        if value != getattr(default, key)
    }


def ui_command(tracking: Tracking) -> str:
    """Return the command or address that shows the runs."""
    if tracking.uri is not None:
        return without_password(tracking.uri)
    elsewhere = tracking_overrides(tracking)
    return command("ui", elsewhere) if elsewhere else "make ui"


def _quoted_file(typed: str) -> str:
    key, _, value = typed.partition("=")
    # not pathlib's, which raise an error for names that no file can have
    there = os.path.exists(os.path.expanduser(value))  # noqa: PTH110, PTH111
    is_file = there and PLAIN_KEY.fullmatch(key)
    return argument(key, value) if is_file and isinstance(_read(typed), str) else typed


def _read(typed: str) -> Any:
    """Return the value that Hydra reads; empty where it refuses the text or reads several."""
    try:
        override = OverridesParser.create().parse_override(typed)
    except HydraException:
        return ""
    return "" if override.is_sweep_override() else override.value()
