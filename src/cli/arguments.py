"""The command line: its flags, the configurations it asks for, and what is wrong with it."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.cli.help import groups_of, option_files, require_option, verb_with
from src.cli.overrides import (
    chosen_options,
    compose,
    conf_open,
    dotted,
    known_keys,
    one_line,
    part_said_of_run,
    resolved,
    settle,
)
from src.config.commands import exact
from src.config.settings import IGNORED_IN_DIGEST, value_at, without_password
from src.errors import ConfigError, nearest, nearest_name

HYDRA_ERRORS = (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)
"""What Hydra raises where it cannot make a configuration of a command line."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help shows what there is")


def read_flags(arguments: list[str], *, verb: str) -> Namespace:
    """Return the flags, wherever they stand, and the `overrides` between them.

    Raises ConfigError for a flag that there is not; it may have been meant as key=value.
    """
    parser = _Parser(prog=f"python -m src.{verb}", add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", nargs="?", const="", metavar="GROUP")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-c", "--cfg", choices=["job"])
    parser.add_argument("--config-dir", type=_folder, action="append", default=[])
    parser.add_argument("overrides", nargs="*")
    line, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        _refuse_flag(unknown[0], arguments, verb=verb)
    return line


def _folder(typed: str) -> str:
    if not Path(typed).is_dir():
        raise ConfigError(f"`--config-dir`={typed}: there is no such folder; one like conf/")
    return typed


def _refuse_flag(typed: str, arguments: list[str], *, verb: str) -> NoReturn:
    flag, _, value = typed.partition("=")
    with conf_open():
        config = settle(compose(verb, []))
    known = known_keys(config) | groups_of(verb).keys()
    key = nearest_name(flag.strip("-").replace("-", "_"), known)
    if key is None:
        raise ConfigError(f"`{flag}`: there is no such flag; --help shows what there is")
    if not value:
        following = " ".join(arguments[arguments.index(typed) + 1 :][:1])
        given = following and not following.startswith("-") and "=" not in following
        alone = "true" if OmegaConf.select(config, key) is False else "VALUE"
        value = following if given else alone
    raise ConfigError(f"`{flag}`: values have no dashes; write {shlex.quote(f'{key}={value}')}")


def runs_of(
    line: Namespace, *, verb: str, check: Callable[[dict[str, Any]], object]
) -> list[list[str]]:
    """Return the overrides of the one run that is asked for, or with -m of every run of a grid.

    check: is given the resolved configuration of every run of a grid, before the first one starts.
    Raises ConfigError.
    """
    overrides = [_read(text, grid=line.multirun) for text in line.overrides]
    if not line.multirun:
        return [line.overrides]
    runs = [list(run) for run in product(*map(_choices, overrides))]
    problems: list[str] = []
    for run in runs:
        try:
            check(resolved(configuration(verb, run)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return runs


def configuration(verb: str, overrides: list[str]) -> DictConfig:
    """Compose the configuration of a run; ConfigError says the first thing that is wrong."""
    return settle(_composed(verb, overrides))


def values_said(overrides: list[str], chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return what overrides say to these chosen options, by key: values, and other options.

    An experiment says all that it is made of. Raises ConfigError for what is wrong with them.
    """
    if not overrides:
        return {}
    options = [f"{group}={option}" for group, option in chosen.items()]
    config = _composed("train", [*options, *overrides])
    with open_dict(config):
        del config["hydra"]
    composed = resolved(config)
    said: dict[str, Any] = {}
    read = [_read(text, grid=False) for text in overrides]
    for override in sorted(read, key=lambda o: o.key_or_group != "experiment"):
        key, option = override.key_or_group, str(override.value())
        if key == "experiment":
            own = _composed("train", [f"{key}={option}"])
            said |= chosen_options(own.hydra.runtime.choices)
            keys = (k for k in dotted(composed) if not isinstance(value_at(composed, k), dict))
            passing = IGNORED_IN_DIGEST | {"resume", "reproduce", "experiment"}
            said |= {k: value_at(composed, k) for k in keys if k not in passing}
        else:
            said[key] = option if key in chosen else value_at(composed, key)
    return said


def read_said_of_run(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the words that compose a configuration, and what the others say of a named run."""
    own, said = part_said_of_run(words)
    return own, {"said": partial(values_said, said)}


def _composed(verb: str, overrides: list[str]) -> DictConfig:
    """Compose; the experiment of conf/train.yaml is for lines that name neither model nor data."""
    named = {text.partition("=")[0] for text in overrides}
    if verb == "train" and {"model", "data"} & named and "experiment" not in named:
        overrides = ["experiment=none", *overrides]
    try:
        return compose(verb, overrides)
    except HYDRA_ERRORS as error:
        _explain(verb, [_read(text, grid=False) for text in overrides])
        raise ConfigError(one_line(error)) from error


def _read(text: str, *, grid: bool) -> Override:
    """Return one override; raises ConfigError where no verb takes anything of its kind.

    grid: whether it may have several values.
    """
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException:
        override = None
    if override is None or not override.key_or_group:
        said = without_password(text)
        spelled = exact(said)
        how = f", and such a text as {spelled}" if spelled else ""
        raise ConfigError(f"cannot read `{said}`; write key=value{how}")
    key = override.key_or_group
    if override.is_delete():
        instead = next((f"{key}={option}" for option in option_files(key)), "another value")
        raise ConfigError(f"`{text}`: nothing can be left out; give {instead} instead")
    if key.partition(".")[0].partition("/")[0] == "hydra":
        raise ConfigError(
            f"`{text}`: Hydra's own settings are not used here; -m runs several values one by "
            "one, and tracking.folder=FOLDER is where runs are kept"
        )
    if override.is_sweep_override() and not grid:
        said = f"`{text}`: several values are run one by one with -m"
        if "." in key and "(" not in text:
            said += f"; a list is written {shlex.quote(text.replace('=', '=[', 1) + ']')}"
        raise ConfigError(said)
    return override


def _choices(override: Override) -> list[str]:
    """Return an override of several values as one override for each."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    value, key = override.value(), override.get_key_element()
    found: Iterable[str] = ()
    if isinstance(value, Glob):
        found = value.filter(list(option_files(override.key_or_group)))
    elif override.is_discrete_sweep():
        found = override.sweep_string_iterator()
    runs = [f"{key}={each}" for each in found]
    if not runs:
        raise ConfigError(f"`{override.input_line}`: there is nothing of that kind to run")
    return runs


def _explain(verb: str, overrides: list[Override]) -> None:
    """Raise ConfigError for the first option or key that there is not."""
    groups = groups_of(verb)
    chosen = [override for override in overrides if override.key_or_group in groups]
    for override in chosen:
        require_option(override.key_or_group, str(override.get_value_element_as_str()))
        if override.is_add():
            said = override.input_line
            raise ConfigError(f"`{said}`: the group is there already; leave out the +")
    try:
        known = known_keys(settle(compose(verb, [str(o.input_line) for o in chosen])))
    except HYDRA_ERRORS:
        known = known_keys(settle(compose(verb, [])))
    for override in overrides:
        if override.key_or_group not in known | groups.keys():
            raise ConfigError(_unknown(override.key_or_group, known | groups.keys(), overrides))


def _unknown(key: str, known: set[str], overrides: list[Override]) -> str:
    """Return whose key it is, or the nearest one that is known; of its own group where that is."""
    parent, _, name = key.rpartition(".")
    siblings = [k.rpartition(".")[2] for k in sorted(known) if k.rpartition(".")[0] == parent]
    if parent and siblings:
        hint = nearest(name, siblings, within=parent)
        elsewhere = nearest(name, [k for k in known if k.endswith(f".{name}")])
        takes = ", ".join(sibling for sibling in siblings if sibling != "_target_")
        return f"unknown key `{key}`{hint or elsewhere or f'; `{parent}` takes {takes}'}"
    other = verb_with(key)
    if other is None or any(k.endswith(f".{key}") for k in known):
        return f"unknown key `{key}`{nearest(key, known) or '; --help shows what there is'}"
    line = [str(override.input_line) for override in overrides]
    if other == "sweep" and not any(text.startswith("sweep=") for text in line):
        line.insert(0, "sweep=dnn")
    return f"`{key}` belongs to another command: python -m src.{other} {shlex.join(line)}"
