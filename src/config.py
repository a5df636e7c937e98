"""From the command line to a checked plan: Hydra's entry, its mistakes explained, exit codes."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NoReturn, final

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.errors import ConfigError, TrainingFailed, UserError, nearest
from src.interrupt import Interrupted
from src.plan import Plan, make_plan

GROUPS = ("data", "model", "regularization", "optimizer", "scheduler")
"""Groups whose chosen option is worth a name of its own in a run."""

CONF = Path(__file__).resolve().parent.parent / "conf"
SWEEPS = CONF.parent / "sweeps"


def run_verb(
    task: Callable[[DictConfig], None],
    *,
    config_name: str,
    check: Callable[[dict[str, Any]], object],
) -> None:
    """Let Hydra compose the configuration for `task`, and leave with the exit code it earned.

    check: is given a resolved configuration, and raises ConfigError with all that is wrong in it.

    0: done; 1: a run failed; 2: the user's mistake; 128 + signal number: interrupted. Of several
    runs (`-m`) a failed one does not keep the others from running; a mistake or a signal does.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through to us
    failures: list[Exception] = []

    def job(config: DictConfig) -> None:
        try:
            task(config)
        except TrainingFailed as error:
            failures.append(error)
            _report(error, with_traceback=wants_traceback)
        except Exception as error:
            raise _Raised(error) from error

    main = hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(job)
    try:
        _check_grid(sys.argv[1:], config_name=config_name, check=check)
        main()
    except Interrupted as stop:
        _leave(stop)
    except KeyboardInterrupt:  # before a training listens, or between two of them
        _leave(Interrupted(signal.SIGINT))
    except _Raised as raised:
        mistaken = isinstance(raised.error, UserError)
        _report(raised.error, with_traceback=wants_traceback or not mistaken)
        sys.exit(2 if mistaken else 1)
    except ConfigError as error:
        sys.exit(report_mistake(error))
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        shown = explain(error, config_name=config_name, arguments=sys.argv[1:], check=check)
        _report(shown, with_traceback=wants_traceback)
        sys.exit(2)
    sys.exit(1 if failures else 0)


def _leave(stop: Interrupted) -> NoReturn:
    print(stop, file=sys.stderr)
    sys.exit(128 + stop.signum)


@final
class _Raised(BaseException):
    """Carries what a verb raised past Hydra, which would print it in its own way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _check_grid(
    arguments: list[str], *, config_name: str, check: Callable[[dict[str, Any]], object]
) -> None:
    """Check every run of a grid (`-m`) before the first one starts."""
    if not {"-m", "--multirun"} & set(arguments):
        return
    overrides, problems = _read(arguments)
    choices_of_each = [
        [f"{o.get_key_element()}={value}" for value in _values(o)] for o in overrides
    ]
    for run in product(*choices_of_each):
        try:
            check(resolved(_compose(config_name, run)))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*dict.fromkeys(problems))


def report_mistake(error: UserError) -> int:
    """Print the mistake and return the exit code it earns."""
    _report(error, with_traceback=False)
    return 2


def _report(error: Exception, *, with_traceback: bool) -> None:
    if with_traceback:
        traceback.print_exception(error)
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)


def plan_from(config: DictConfig) -> Plan:
    """Resolve and check what Hydra composed; raises ConfigError with every problem found."""
    return make_plan(resolved(config), choices=choices())


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain objects; raises ConfigError where a value is missing."""
    try:
        missing = OmegaConf.missing_keys(config)
        if missing:
            raise ConfigError(*(f"`{key}` is missing; give it as {key}=VALUE" for key in missing))
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
        if override.is_sweep_override() and not {"-m", "--multirun"} & set(arguments):
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
            problems.append(f"cannot read `{text}`; write key=value, and quote it for the shell")
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
    folder = SWEEPS if group == "sweep" else CONF / group
    options = sorted(p.stem for p in folder.glob("*.yaml"))
    if override.is_add():
        yield f"`{override.input_line}`: the group is there already; leave out the +"
    for value in _values(override):
        if value not in options:
            hint = nearest(value, options) or f"; choose one of {', '.join(options) or 'none'}"
            yield f"`{group}`={value}: there is no such option{hint}"


def _values(override: Override) -> Iterable[str]:
    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    return override.sweep_string_iterator() if override.is_discrete_sweep() else []


def _composed(config_name: str, overrides: list[str]) -> dict[str, Any]:
    """Return what Hydra makes of the overrides; of none of them where it refuses one."""
    try:
        return resolved(_compose(config_name, overrides))
    except (HydraException, OmegaConfBaseException, ConfigError):
        return resolved(_compose(config_name, []))


def _compose(config_name: str, overrides: Iterable[str]) -> DictConfig:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(config_name, overrides=list(overrides))


def _own_values(config_name: str) -> set[str]:
    """Return the keys of a primary configuration that it does not fill from a group."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(config_name, return_hydra_config=True)
    return {str(key) for key in config} - set(config.hydra.runtime.choices)


def _dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
