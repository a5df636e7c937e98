"""From the values of one trial to its plan, composed by Hydra like any training."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from src.cli.help import require_option
from src.cli.overrides import GROUPS, chosen_options, known_keys, resolved
from src.config.plan import Plan, make_plan
from src.config.settings import flat
from src.errors import ConfigError, nearest
from src.search.space import Assignment

SEARCHED = (*GROUPS, "trainer")
"""Groups that a space may name, or values of."""
PLAN_KEYS = (*SEARCHED, "tracking", "seed", "name")


@final
class Composer:
    """Composes trials on the base of one command line; every choice of groups only once.

    threads: processor threads of a trial that says nothing of its own.
    """

    def __init__(self, config_name: str, overrides: list[str], *, threads: int) -> None:
        self._config_name = config_name
        self._threads = threads
        self._overrides = overrides
        self._composed: dict[tuple[tuple[str, str], ...], tuple[DictConfig, dict[str, str]]] = {}

    def plan(self, assignment: Assignment, *, seed: int, name: str) -> Plan:
        """Return the checked plan of a trial; raises ConfigError where the values do not fit."""
        groups = {key: value for key, value in assignment.items() if is_group(key)}
        for group, option in groups.items():
            require_option(group, str(option))
        base, choices = self._base(groups)
        config = copy.deepcopy(base)
        for key, value in assignment.items():
            if key in groups:
                continue
            check_key(key, config)
            OmegaConf.update(config, key, value)
        plain = {key: value for key, value in resolved(config).items() if key in PLAN_KEYS}
        plain |= {"seed": seed, "name": name, "resume": None}
        plan = make_plan(plain, choices=choices)
        return plan.with_trainer(threads=plan.trainer.threads or self._threads)

    def base_values(self) -> dict[str, Any]:
        """Return options and values, by key, of a trial whose own values are left out."""
        base, choices = self._base({})
        plain = {key: value for key, value in resolved(base).items() if key in PLAN_KEYS}
        return {**dict(flat(plain)), **choices}

    def _base(self, groups: Mapping[str, str]) -> tuple[DictConfig, dict[str, str]]:
        """Return the composed configuration and the option chosen of every group."""
        key = tuple(sorted(groups.items()))
        if key not in self._composed:
            overrides = [*self._overrides, *(f"{group}={option}" for group, option in key)]
            composed = compose(self._config_name, overrides=overrides, return_hydra_config=True)
            choices = chosen_options(composed.hydra.runtime.choices)
            OmegaConf.set_readonly(composed, False)
            OmegaConf.set_struct(composed, False)
            del composed["hydra"]
            self._composed[key] = composed, choices
        return self._composed[key]


def on_all_rows(plan: Plan, *, epochs: int) -> Plan:
    """Return the plan on training and validation rows together, with epochs and schedule as chosen.

    The last epoch is kept. epochs: those of the trial, in place of `trainer.max_epochs` where it
    was to stop early. Raises ConfigError where the data source has no `validation_size` of 0.
    """
    stops_early = plan.regularization.patience is not None
    trainer = {"select": "last", **({"max_epochs": epochs} if stops_early else {})}
    config = {
        **plan.config,
        "data": {**plan.config["data"], "validation_size": 0},
        "regularization": {**plan.config["regularization"], "patience": None},
        "trainer": {**plan.config["trainer"], **trainer},
    }
    return replace(make_plan(config, choices=plan.choices), searched=plan.searched)


def is_group(key: str) -> bool:
    """Tell whether the key names a group of options rather than a value."""
    return key in SEARCHED


def check_key(key: str, config: DictConfig) -> None:
    """Raise ConfigError where no trial of this configuration has such a value."""
    known = {name for name in known_keys(config) if name.partition(".")[0] in SEARCHED}
    if key in known:
        return
    if key in known_keys(config):
        raise ConfigError(f"`{key}` cannot be searched; only values of {', '.join(SEARCHED)} can")
    raise ConfigError(f"unknown key `{key}` in the space{nearest(key, known)}")
