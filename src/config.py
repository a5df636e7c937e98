"""From the command line to a configuration, and what is wrong with either, in one line each."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.config.plan import Plan, make_plan
from src.config.settings import NO_OTHER_CONFIGURATION, without_password
from src.errors import ConfigError, nearest

GROUPS = ("data", "model", "regularization", "optimizer", "scheduler")
"""Groups whose chosen option is worth a name of its own in a run."""

EXAMPLES = {"tracking.uri": "http://HOST:5000"}
"""Of values that have to be given."""

CONF = Path(__file__).resolve().parent.parent / "conf"
SWEEPS = CONF.parent / "sweeps"

REFUSALS = (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)
"""What Hydra raises where it cannot make a configuration of a command line."""


def is_grid(arguments: list[str]) -> bool:
    return bool({"-m", "--multirun"} & set(arguments))


def check_grid(
    arguments: list[str], *, config_name: str, check: Callable[[dict[str, Any]], object]
) -> None:
    """Check every run of a grid (`-m`) before the first one starts."""
    if not is_grid(arguments):
        return
    overrides, problems = _read(arguments)
    choices_of_each = [
        [f"{o.get_key_element()}={value}" for value in _values(o)] for o in overrides
    ]
    problems += [
        f"`{override.input_line}`: there is nothing of that kind to run"
        for override, choices in zip(overrides, choices_of_each, strict=True)
        if not choices
    ]
    for run in product(*choices_of_each):
        try:
            check(resolved(_compose(config_name, run)))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*dict.fromkeys(problems))


def plan_from(config: DictConfig) -> Plan:
    """Resolve and check what Hydra composed; raises ConfigError with every problem found."""
    return make_plan(resolved(config), choices=choices())


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain objects; raises ConfigError where a value is missing."""
    try:
        missing = OmegaConf.missing_keys(config)
        if missing:
            raise ConfigError(
                *(f"`{k}` is missing; give it as {k}={EXAMPLES.get(k, 'VALUE')}" for k in missing)
            )
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def choices() -> dict[str, str]:
    """Return the option chosen of every group of this run that has one."""
    return chosen_options(HydraConfig.get().runtime.choices)


def chosen_options(chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Return of Hydra's choices those that are worth a name in a run."""
    return {group: str(chosen[group]) for group in GROUPS if chosen.get(group)}


def known_keys(config: DictConfig) -> set[str]:
    """Return the dotted name of every group and value of a configuration."""
    return set(_dotted(OmegaConf.to_container(config)))


def task_overrides() -> list[str]:
    """Return what the command line of this run says beyond the files."""
    return list(HydraConfig.get().overrides.task)


def part_said_of_run(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part what says which run is to be trained on or again, if any, from what is said of it."""
    naming = ("resume=", "reproduce=")
    if not any(a.startswith(naming) and a.split("=", 1)[1] not in {"", "null"} for a in arguments):
        return arguments, []
    own = (*naming, "tracking", "hydra", "-")
    said = [a for a in arguments if "=" in a and not a.startswith(own)]
    return [a for a in arguments if a not in said], said


def values_said(
    arguments: list[str],
    *,
    config_name: str,
    chosen: Mapping[str, str],
    check: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """Return what a command line says to these chosen options, by key: values, and other options.

    An experiment says all that it is made of. Raises ConfigError with all that is wrong with it.
    """
    everything = [*(f"{group}={option}" for group, option in chosen.items()), *arguments]
    try:
        composed = resolved(_compose(config_name, everything))
    except REFUSALS as error:
        raise explain(error, config_name=config_name, arguments=everything, check=check) from error
    said: dict[str, Any] = {}
    experiment_first = sorted(_read(arguments)[0], key=lambda o: o.key_or_group != "experiment")
    for override in experiment_first:
        key, option = override.key_or_group, str(override.value())
        if key == "experiment":
            alone = _compose(config_name, [f"{key}={option}"], with_hydra=True)
            said |= chosen_options(alone.hydra.runtime.choices)
            keys = (k for k in _dotted(composed) if not isinstance(value_at(composed, k), dict))
            passing = NO_OTHER_CONFIGURATION | {"resume", "reproduce", "experiment"}
            said |= {k: value_at(composed, k) for k in keys if k not in passing}
        else:
            said[key] = option if key in chosen else value_at(composed, key)
    return said


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key, None where there is none."""
    name, _, rest = key.partition(".")
    value = config.get(name)
    return value_at(value, rest) if rest and isinstance(value, Mapping) else value


def quote_model(arguments: list[str]) -> list[str]:
    """Make `model=RUN_ID` what Hydra understands where conf/model/ has options of that name.

    The id stays as it was typed, even where it could be read as a number.
    """
    quoted = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key in {"model", "model.run"} and value and "'" not in value:
            argument = f"model.run={value}" if value == "null" else f"model.run='{value}'"
        quoted.append(argument)
    return quoted


def explain(
    error: Exception,
    *,
    config_name: str,
    arguments: list[str],
    check: Callable[[dict[str, Any]], object],
) -> ConfigError:
    """Say what is wrong with the command line, all at once, each with the nearest name.

    check: is given the resolved configuration of what is right with it, and raises ConfigError.
    """
    overrides, problems = _read(arguments)
    groups = {"sweep", *(str(p.relative_to(CONF)) for p in CONF.rglob("*") if p.is_dir())}
    good: list[str] = []
    for override in overrides:
        if override.is_sweep_override() and not is_grid(arguments):
            problems.append(f"`{override.input_line}`: several values are run one by one with -m")
        if override.key_or_group in groups:
            wrong = list(_wrong_options(override))
            problems.extend(wrong)
            if not wrong and not override.is_sweep_override():
                good.append(str(override.input_line))
    known = groups | set(_dotted(_composed(config_name, good)))
    for override in overrides:
        key = override.key_or_group
        if key not in known and not key.startswith("hydra"):
            problems.append(f"unknown key `{key}`{_hint(key, known)}")
        elif key in known - groups and not override.is_sweep_override():
            good.append(str(override.input_line))
    try:
        check(_composed(config_name, good))
    except ConfigError as others:
        problems.extend(others.problems)
    return ConfigError(*(problems or [_one_line(error)]))


def _read(arguments: list[str]) -> tuple[list[Override], list[str]]:
    """Return the overrides among the arguments, and what is wrong with those that are none."""
    parser = OverridesParser.create()
    overrides: list[Override] = []
    problems = []
    for text in (a for a in arguments if not a.startswith("-")):
        try:
            override = parser.parse_override(text)
        except HydraException:
            override = None
        if override is not None and override.key_or_group:
            overrides.append(override)
        else:
            said = without_password(text)
            problems.append(f"cannot read `{said}`; write key=value, and quote it for the shell")
    return overrides, problems


def _hint(key: str, known: set[str]) -> str:
    """Return the nearest name; where the group is right, only one of its own keys."""
    parent, _, name = key.rpartition(".")
    siblings = sorted(k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent)
    if not parent or not siblings:
        return nearest(key, known)
    hint = nearest(name, siblings, within=parent)
    return hint or f"; `{parent}` takes {', '.join(s for s in siblings if s != '_target_')}"


def _one_line(error: Exception) -> str:
    """Return what Hydra or OmegaConf said, with the key it is about."""
    said = str(error).splitlines()[0]
    key = getattr(error, "full_key", None)
    return f"`{key}`: {said}" if key else said


def _wrong_options(override: Override) -> Iterable[str]:
    group = override.key_or_group
    options = _options(group)
    if override.is_add():
        yield f"`{override.input_line}`: the group is there already; leave out the +"
    for value in _values(override):
        if value not in options:
            hint = nearest(value, options) or f"; choose one of {', '.join(options) or 'none'}"
            yield f"`{group}`={value}: there is no such option{hint}"


def _options(group: str) -> list[str]:
    folder = SWEEPS if group == "sweep" else CONF / group
    return sorted(p.stem for p in folder.glob("*.yaml"))


def _values(override: Override) -> Iterable[str]:
    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(_options(override.key_or_group))
    return override.sweep_string_iterator() if override.is_discrete_sweep() else []


def _composed(config_name: str, overrides: list[str]) -> dict[str, Any]:
    """Return what Hydra makes of the overrides; of none of them where it refuses one."""
    try:
        return resolved(_compose(config_name, overrides))
    except (*REFUSALS, ConfigError):
        return resolved(_compose(config_name, []))


def _compose(config_name: str, overrides: Iterable[str], *, with_hydra: bool = False) -> DictConfig:
    within_a_verb = GlobalHydra.instance().is_initialized()
    start = partial(hydra.initialize_config_dir, str(CONF), version_base="1.3")
    with nullcontext() if within_a_verb else start():
        return hydra.compose(config_name, list(overrides), return_hydra_config=with_hydra)


def _dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
