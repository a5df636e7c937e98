"""From the configuration of a sweep to the sweep as plain objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, final

from src.config.plan import Component, ConfigValidator, Plan, make_plan
from src.errors import ConfigError
from src.process.machine import available_cores
from src.search.composer import PLAN_KEYS, Composer
from src.search.settings import SweepSettings
from src.search.space import Space, make_space
from src.search.storage.open import require_address

KINDS = ("executor", "sampler", "pruner")


@final
@dataclass(frozen=True)
class Request:
    """A sweep as plain objects, before anything is started.

    plan: a training as it would be without the space; it says where data and store are.
    """

    name: str
    settings: SweepSettings
    space: Space
    composer: Composer
    executor: Component
    sampler: Component
    pruner: Component
    plan: Plan


def check_sweep(config: Mapping[str, Any]) -> tuple[SweepSettings, dict[str, Component]]:
    """Check what a sweep says beside its space, and what all its trials have in common.

    Raises ConfigError with every problem found.
    """
    check = ConfigValidator(config)
    try:
        make_plan({key: config[key] for key in PLAN_KEYS}, choices={})
    except ConfigError as error:
        check.problems += error.problems
    settings = check.settings(SweepSettings, None)
    components = {kind: check.component(kind) for kind in KINDS}
    if settings is not None and settings.target is not None and len(settings.objective) > 1:
        check.problems.append("`target`: needs a single objective; set target=null")
    if settings is not None and settings.target is not None:
        share = settings.objective[0].metric == "val_accuracy"
        if share and not 0 < settings.target <= 1:
            check.problems.append(
                f"`target`={settings.target:g}: must be above 0 and at most 1 for val_accuracy, "
                "as in target=0.95"
            )
    limited = settings is not None and settings.constraints.parameters is not None
    if settings is not None and limited and settings.refits > 1:
        check.problems.append(
            f"`refit.seeds`={settings.refits}: that many networks together have more than "
            "`constraints.parameters`; set refit.seeds=1, or leave the constraint out"
        )
    by_loss = settings is not None and any(o.metric == "val_loss" for o in settings.objective)
    if by_loss and config["trainer"].get("select") == "best":
        check.problems.append(
            "`trainer.select`=best: keeps the epoch of the best accuracy, which is not that of "
            "the least `objective.metric`=val_loss; leave it at trainer.select=last"
        )
    if settings is not None and settings.storage is not None:
        try:
            require_address(settings.storage)
        except ConfigError as error:
            check.problems += error.problems
    check.finish()
    return settings, components


def make_request(
    config: Mapping[str, Any],
    *,
    sweep: str | None,
    overrides: list[str],
    ranges: Mapping[str, Any],
) -> Request:
    """Return the sweep that a configuration asks for; raises ConfigError with every problem.

    sweep: name of its file, None without one. overrides: the command line but for its ranges,
    which are given as entries of the space. A value on the command line takes its key out of the
    space, and out of the configurations to try first; a range takes those values out of them that
    it does not hold.
    """
    settings, components = check_sweep(config)
    fixed = {override.split("=", 1)[0].lstrip("+") for override in overrides}
    entries = {key: entry for key, entry in settings.space.items() if key not in fixed}
    space = make_space({**entries, **ranges})
    if "enqueue" not in fixed:
        settings = settings.model_copy(
            update={"enqueue": _first(settings, space, {*fixed, *ranges})}
        )
    composer = Composer("sweep", overrides, threads=_threads(components["executor"]))
    plan = composer.plan({}, seed=settings.seed, name="base")
    if not plan.tracking.enabled:
        raise ConfigError("`tracking`=off: a sweep lives in its tracked runs; leave tracking on")
    return Request(
        name=_checked(str(config["name"] or sweep or f"adhoc-{_short_digest(space.describe())}")),
        settings=settings,
        space=space,
        composer=composer,
        plan=plan,
        **components,
    )


def _threads(executor: Component) -> int:
    """Return the processor threads of a trial: those of its worker, or its share of the cores."""
    given = executor.arguments.get("cpus_per_worker")
    workers = executor.arguments.get("workers", 1) or available_cores()
    return given or max(1, available_cores() // workers)


def _first(settings: SweepSettings, space: Space, given: set[str]) -> list[dict[str, Any]]:
    """Return what to try first, less the values for which the command line leaves no room."""
    first = [
        {
            key: value
            for key, value in assignment.items()
            if key not in given or (key in space.entries and space.entries[key].contains(value))
        }
        for assignment in settings.enqueue
    ]
    return [assignment for assignment in first if assignment]


def _checked(name: str) -> str:
    """Return the name, which becomes that of a folder; NAME.2 is that of a fresh start."""
    if not re.fullmatch(r"[\w-][\w. -]{0,99}", name) or re.search(r"\.\d+$", name):
        raise ConfigError(
            f"`name`={name}: may have letters, digits, and - _ . or blanks within, 100 in all, and "
            "no number after a dot at its end"
        )
    return name


def _short_digest(space: Mapping[str, Any]) -> str:
    return sha256(repr(sorted(space.items())).encode()).hexdigest()[:8]
