"""From the command line to a checked plan: Hydra's entry, its mistakes explained, exit codes."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, final

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


def run_verb(task: Callable[[DictConfig], None], *, config_name: str) -> None:
    """Let Hydra compose the configuration for `task`, and leave with the exit code it earned.

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
        main()
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.signum)
    except _Raised as raised:
        mistaken = isinstance(raised.error, UserError)
        _report(raised.error, with_traceback=wants_traceback or not mistaken)
        sys.exit(2 if mistaken else 1)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        shown = explain(error, config_name=config_name, arguments=sys.argv[1:])
        _report(shown, with_traceback=wants_traceback)
        sys.exit(2)
    sys.exit(1 if failures else 0)


@final
class _Raised(BaseException):
    """Carries what a verb raised past Hydra, which would print it in its own way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


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
    missing = OmegaConf.missing_keys(config)
    if missing:
        raise ConfigError(*(f"`{key}` is missing; give it as {key}=VALUE" for key in missing))
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def choices() -> dict[str, str]:
    """Return the option chosen of every group of this run that has one."""
    chosen = HydraConfig.get().runtime.choices
    return {group: chosen[group] for group in GROUPS if chosen.get(group)}


def task_overrides() -> list[str]:
    """Return what the command line of this run says beyond the files."""
    return list(HydraConfig.get().overrides.task)


def explain(error: Exception, *, config_name: str, arguments: list[str]) -> ConfigError:
    """Say what is wrong with the command line, all at once, each with the nearest name."""
    parser = OverridesParser.create()
    problems: list[str] = []
    overrides: list[Override] = []
    for text in (a for a in arguments if not a.startswith("-")):
        try:
            overrides.extend(parser.parse_overrides([text]))
        except HydraException:
            problems.append(f"cannot read `{text}`; write key=value, and quote it for the shell")
    groups = {str(p.relative_to(CONF)) for p in CONF.rglob("*") if p.is_dir()}
    good_choices: list[str] = []
    for override in overrides:
        if override.key_or_group in groups:
            wrong = list(_wrong_options(override))
            problems.extend(wrong)
            if not wrong and not override.is_sweep_override():
                good_choices.append(str(override.input_line))
        if override.is_sweep_override() and not {"-m", "--multirun"} & set(arguments):
            problems.append(f"`{override.input_line}`: several values are run one by one with -m")
    known = groups | _known_keys(config_name, good_choices)
    for override in overrides:
        key = override.key_or_group
        if key not in known and not key.startswith("hydra"):
            problems.append(f"unknown key `{key}`{nearest(key, known)}")
    return ConfigError(*(problems or [str(error).splitlines()[0]]))


def _wrong_options(override: Override) -> Iterable[str]:
    group = override.key_or_group
    options = sorted(p.stem for p in (CONF / group).glob("*.yaml"))
    if override.is_add():
        yield f"`{override.input_line}`: the group is there already; leave out the +"
    for value in _values(override):
        if value not in options:
            hint = nearest(value, options) or f"; choose one of {', '.join(options)}"
            yield f"`{group}`={value}: there is no such option{hint}"


def _values(override: Override) -> Iterable[str]:
    if not override.is_sweep_override():
        return [str(override.get_value_element_as_str())]
    return override.sweep_string_iterator() if override.is_discrete_sweep() else []


def _known_keys(config_name: str, overrides: list[str]) -> set[str]:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            config = hydra.compose(config_name, overrides=overrides)
        except HydraException:
            config = hydra.compose(config_name)
    return set(_dotted(OmegaConf.to_container(config)))


def _dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
