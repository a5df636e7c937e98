"""From the command line to a checked plan: Hydra's entry, its mistakes explained, exit codes."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

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

    0: done; 1: a run failed; 2: the user's mistake; 128 + signal number: interrupted.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through to us
    main = hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")(task)
    try:
        main()
        return
    except Interrupted as stop:
        code = 128 + stop.signum
    except (UserError, TrainingFailed, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            traceback.print_exc()
        if isinstance(error, HydraException | OmegaConfBaseException):
            error = explain(error, config_name=config_name, arguments=sys.argv[1:])
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        code = 1 if isinstance(error, TrainingFailed) else 2
    sys.exit(code)


def plan_from(config: DictConfig) -> Plan:
    """Resolve and check what Hydra composed; raises ConfigError with every problem found."""
    missing = OmegaConf.missing_keys(config)
    if missing:
        raise ConfigError(*(f"`{key}` is missing; give it as {key}=VALUE" for key in missing))
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    chosen = HydraConfig.get().runtime.choices
    choices = {group: chosen[group] for group in GROUPS if chosen.get(group)}
    return make_plan({str(key): value for key, value in plain.items()}, choices=choices)


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
    chosen = [o for o in overrides if o.key_or_group in groups]
    wrong = [(o, line) for o in chosen for line in _wrong_options(o)]
    problems.extend(line for _, line in wrong)
    good = [str(o.input_line) for o in chosen if o not in [w for w, _ in wrong]]
    known = _known_keys(config_name, [g for g in good if "," not in g])
    for override in overrides:
        key = override.key_or_group
        if key not in groups | known and not key.startswith("hydra"):
            problems.append(f"unknown key `{key}`{nearest(key, groups | known)}")
    return ConfigError(*(problems or [str(error).splitlines()[0]]))


def _wrong_options(override: Override) -> Iterable[str]:
    group = override.key_or_group
    options = sorted(p.stem for p in (CONF / group).glob("*.yaml"))
    values = str(override.get_value_element_as_str()).split(",")
    for value in values:
        if value not in [*options, "null"]:
            hint = nearest(value, options) or f"; choose one of {', '.join(options)}"
            yield f"`{group}`={value}: there is no such option{hint}"


def _known_keys(config_name: str, overrides: list[str]) -> set[str]:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(config_name, overrides=overrides)
    return set(_dotted(OmegaConf.to_container(config)))


def _dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
