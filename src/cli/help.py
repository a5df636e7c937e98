"""What a verb takes, read from conf/ as it is written there: `--help`, and whose a key is."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from src.cli.overrides import CONF, EXTRA_CONFIG_DIRS, SWEEPS
from src.errors import ConfigError, nearest

VERBS = ("train", "sweep", "compare", "predict", "app", "explore", "ui")
WIDTH = 100


def groups_of(primary: str) -> dict[str, str | None]:
    """Return the groups that a primary file of conf/ takes, each with the option it has there."""
    found: dict[str, str | None] = {}
    for entry in _written(CONF / f"{primary}.yaml").get("defaults", ()):
        if entry != "_self_":
            found |= groups_of(entry) if isinstance(entry, str) else dict(entry)
    return found


def option_files(group: str) -> dict[str, Path]:
    """Return the file of every option of a group."""
    folders = [
        SWEEPS if group == "sweep" else CONF / group,
        *(ahead / group for ahead in EXTRA_CONFIG_DIRS),
    ]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def require_option(group: str, option: str) -> None:
    """Raise ConfigError where the group has no such option."""
    options = option_files(group)
    if option not in options:
        hint = nearest(option, options) or f"; choose one of {', '.join(options) or 'none'}"
        raise ConfigError(f"`{group}`={option}: there is no such option{hint}")


def verb_with(key: str) -> str | None:
    """Return the first verb that has a group or a value of this name."""
    for verb in VERBS:
        own = {typed.partition("=")[0] for typed, _ in _values_of(verb)}
        if key in own | groups_of(verb).keys():
            return verb
    return None


def help_of(verb: str) -> str:
    """Return a screen of what the verb does and takes."""
    about, groups = _written(CONF / f"{verb}.yaml")["hydra"]["help"], groups_of(verb)
    options = [(group, ", ".join(option_files(group))) for group in groups]
    values = [(typed, f"# {comment}") for typed, comment in _values_of(verb)]
    return f"""{about["header"]}
Groups to choose from (group=option):
{_table(options)}

Values (key=value):
{_table(values)}

More: python -m src.{verb} --help {next(iter(groups))}; all values: python -m src.{verb} --cfg job
{about.get("footer", "")}""".rstrip()


def _table(rows: list[tuple[str, str]]) -> str:
    longest = max(len(left) for left, _ in rows)
    hanging = " " * (longest + 4)
    return "\n".join(
        textwrap.fill(f"  {left:<{longest}}  {right}", WIDTH, subsequent_indent=hanging)
        for left, right in rows
    )


def help_of_group(verb: str, asked: str) -> str:
    """Return the options of GROUP and the file of its default, or the file of GROUP=OPTION.

    Raises ConfigError where there is no such group or option.
    """
    group, _, option = asked.partition("=")
    groups = groups_of(verb)
    if group not in groups:
        raise ConfigError(f"`{group}`: there is no such group{nearest(group, groups)}")
    files = option_files(group)
    if option:
        require_option(group, option)
        return _text(files[option]).rstrip()
    parts = [_table([(f"{group}={name}", _about(file)) for name, file in files.items()])]
    default = groups[group]
    if default is not None:
        parts.append(f"{group}={default}, the default:\n\n{_text(files[default]).rstrip()}")
    other = next((name for name in files if name != default), None)
    if other is not None:
        parts.append(f"Another one: python -m src.{verb} --help {group}={other}")
    return "\n\n".join(parts)


def _about(file: Path) -> str:
    """Return the first comment of a file."""
    found = re.search(r"^# (?!@)(.*)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def _text(file: Path) -> str:
    """Return the file as it is written, behind the files of its group that it begins with."""
    defaults = _written(file).get("defaults", ())
    begun = [entry for entry in defaults if isinstance(entry, str) and entry != "_self_"]
    return "\n".join(
        [*(_text(file.with_stem(name)) for name in begun), file.read_text(encoding="utf-8")]
    )


def _values_of(primary: str) -> Iterator[tuple[str, str]]:
    """Yield the values of a primary file as they are typed, and the comments they have there."""
    file = CONF / f"{primary}.yaml"
    for entry in _written(file).get("defaults", ()):
        if isinstance(entry, str) and entry != "_self_":
            yield from _values_of(entry)
    section = ""
    for indent, key, rest in re.findall(
        r"^( *)(\w+): *(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE
    ):
        section = section if indent else key
        if rest and section not in {"defaults", "hydra"}:
            value, _, comment = rest.partition("# ")
            yield f"{f'{section}.' if indent else ''}{key}={value.strip()}", comment


def _written(file: Path) -> dict[str, Any]:
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(written, dict)
    return written
