"""Finds what is wrong with a search before its first trial."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from src.data.source import Dataset
from src.errors import ConfigError, nearest
from src.search.composer import Composer, is_group
from src.search.settings import SweepSettings
from src.search.space import Assignment, Space, holds


def check_space(space: Space, settings: SweepSettings, composer: Composer) -> None:
    """Compose a trial at every end of every range, and every configuration to try first.

    Raises ConfigError with every problem: keys that do not exist, values that do not fit.
    """
    problems: dict[str, None] = {}  # a set that keeps its order
    if not space.entries:
        problems["`space`: nothing to search; name a sweep (sweep=dnn) or give ranges"] = None

    def attempt(assignment: Assignment) -> None:
        try:
            composer.plan(assignment, seed=settings.seed, name="check")
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))

    base = composer.base_values()
    problems.update(dict.fromkeys(_unknown_conditions(space, base)))
    group_keys = [key for key in space.entries if is_group(key)]
    options = [space.entries[key].extremes() for key in group_keys]
    for chosen in product(*options):
        groups = {**_fixed_groups(space), **dict(zip(group_keys, chosen, strict=True))}
        attempt(groups)
        for key, value, when in space.corners():
            if is_group(key):
                continue
            meant = _meant(when, space)
            if holds(when, {**base, **space.fixed, **meant, **groups}):
                attempt({**meant, **groups, key: value})
    for assignment in settings.enqueue:
        try:
            space.encode(assignment)
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
        attempt({**space.fixed, **assignment})
    if problems:
        raise ConfigError(*problems)


def check_first(
    space: Space, settings: SweepSettings, composer: Composer, dataset: Dataset
) -> None:
    """Build what the first trial trains, and see that the test images can be looked at later.

    Raises ConfigError or DataError.
    """
    from src.training.fit import checked_classifier  # beside workers that load the same

    tried_first = settings.enqueue[0] if settings.enqueue else {}
    plan = composer.plan({**space.fixed, **tried_first}, seed=settings.seed, name="check")
    checked_classifier(plan, dataset, look_at_test=True)


def _unknown_conditions(space: Space, base: Mapping[str, Any]) -> Iterator[str]:
    known = {**base, **space.fixed, **space.entries}
    for key, entry in space.entries.items():
        for other, wanted in entry.when.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            if other not in known:
                yield f"`space.{key}.when`: unknown key `{other}`{nearest(other, known)}"
            elif other in space.entries:
                never = [v for v in values if not space.entries[other].contains(v)]
                yield from (f"`space.{key}.when`: {other} is never {v!r}" for v in never)


def _meant(when: Mapping[str, Any], space: Space) -> Assignment:
    """Return the first values under which a condition holds, of keys that are searched."""
    return {
        key: wanted[0] if isinstance(wanted, list) else wanted
        for key, wanted in when.items()
        if key in space.entries and not is_group(key)
    }


def _fixed_groups(space: Space) -> dict[str, Any]:
    return {key: value for key, value in space.fixed.items() if is_group(key)}
