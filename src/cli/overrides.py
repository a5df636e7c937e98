"""What Hydra composes of conf/, as plain objects."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, final

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from src.config.plan import Plan, make_plan
from src.errors import ConfigError

GROUPS = ("data", "model", "regularization", "optimizer", "scheduler")
"""Groups whose chosen option is worth a name of its own in a run."""

EXAMPLES = {"tracking.uri": "http://HOST:5000"}
"""Of values that have to be given."""

CONF = Path(__file__).resolve().parents[2] / "conf"
SWEEPS = CONF.parent / "sweeps"


EXTRA_CONFIG_DIRS: list[Path] = []
"""Folders like conf/, of this command alone, that Hydra looks into before it."""


@final
class ConfigDirs(SearchPathPlugin):
    """Adds the folders of `--config-dir` to what Hydra composes from."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put the folders before all others."""
        for folder in EXTRA_CONFIG_DIRS:
            search_path.prepend("command line", f"file://{folder}")


def conf_open(*ahead: str) -> AbstractContextManager[None]:
    """Let Hydra compose from conf/ within this context, and from the folders ahead of it."""
    EXTRA_CONFIG_DIRS[:] = [Path(folder).absolute() for folder in ahead]
    Plugins.instance().register(ConfigDirs)
    return hydra.initialize_config_dir(str(CONF), version_base="1.3")


def compose(verb: str, overrides: Iterable[str]) -> DictConfig:
    """Return what Hydra makes of conf/VERB.yaml and the overrides, Hydra's own part included.

    Within `conf_open`.
    """
    return hydra.compose(verb, overrides=list(overrides), return_hydra_config=True)


def settle(config: DictConfig) -> DictConfig:
    """Make a composed configuration the one of this run; return it without Hydra's own part."""
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


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
        raise ConfigError(one_line(error)) from error
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
    return set(dotted(OmegaConf.to_container(config)))


def task_overrides() -> list[str]:
    """Return what the command line of this run says beyond the files."""
    return list(HydraConfig.get().overrides.task)


def part_said_of_run(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split off what is said of a run that `resume=` or `reproduce=` names."""
    naming = ("resume=", "reproduce=")
    if not any(a.startswith(naming) and a.split("=", 1)[1] not in {"", "null"} for a in arguments):
        return arguments, []
    own = (*naming, "tracking", "hydra", "-")
    said = [a for a in arguments if "=" in a and not a.startswith(own)]
    return [a for a in arguments if a not in said], said


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


def one_line(error: Exception) -> str:
    """Return what Hydra or OmegaConf said, with the key it is about."""
    said = str(error).splitlines()[0]
    key = getattr(error, "full_key", None)
    return f"`{key}`: {said}" if key else said


def dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from dotted(value, f"{prefix}{key}.")
