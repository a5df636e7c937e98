"""Finds what is wrong with a search before its first trial."""

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.plan import Plan
from src.data.source import Dataset
from src.errors import ConfigError, nearest
from src.search.composer import Composer, is_group, on_all_rows
from src.search.settings import SweepSettings
from src.search.space import Assignment, Space, condition_met


def check_space(space: Space, settings: SweepSettings, composer: Composer) -> None:
    """Compose a trial at every end of every range, and every configuration to try first.

    A value meets every option of its own group, and of others only what its condition needs, so
    that each further group that is searched adds its options and does not multiply by them.
    Raises ConfigError with every problem: keys that do not exist, values that do not fit.
    """
    problems: dict[str, None] = {}  # a set that keeps its order
    if not space.entries:
        problems["`space`: nothing to search; name a sweep (sweep=dnn) or give ranges"] = None

    def attempt(assignment: Assignment) -> None:
        try:
            plan = composer.plan(assignment, seed=settings.seed, name="check")
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            if plan.data.arguments.get("validation_size") == 0:
                problems["`data.validation_size`=0: a search is judged by validation images"] = None
            if settings.refits:
                problems.update(dict.fromkeys(_refit_problems(plan)))

    base = composer.base_values()
    problems.update(dict.fromkeys(_unknown_conditions(space, base)))
    fixed_groups = {key: value for key, value in space.fixed.items() if is_group(key)}
    attempt(fixed_groups)
    for key, value, when in space.bounds():
        for needed in _surroundings(key, space):
            if condition_met(when, {**base, **space.fixed, **needed}):
                attempt({**fixed_groups, **needed, key: value})
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
    """Build what the first trial trains; raises ConfigError where that cannot be."""
    from src.training.fit import require_trainable  # beside workers that load the same

    tried_first = settings.enqueue[0] if settings.enqueue else {}
    plan = composer.plan({**space.fixed, **tried_first}, seed=settings.seed, name="check")
    require_trainable(plan, dataset)


def _refit_problems(plan: Plan) -> Iterator[str]:
    try:
        on_all_rows(plan, epochs=1)
    except ConfigError as error:
        for problem in error.problems:
            yield f"`refit.seeds`: must be 0, no winner can be trained on all rows: {problem}"


def _unknown_conditions(space: Space, base: Mapping[str, Any]) -> Iterator[str]:
    known = {**base, **space.fixed, **space.entries}
    for key, entry in space.entries.items():
        for other, wanted in entry.when.items():
            if other not in known:
                yield f"`space.{key}.when`: unknown key `{other}`{nearest(other, known)}"
            elif other in space.entries:
                never = [v for v in _listed(wanted) if not space.entries[other].contains(v)]
                yield from (f"`space.{key}.when`: {other} is never {v!r}" for v in never)


def _surroundings(key: str, space: Space) -> Iterator[Assignment]:
    """Yield values of other searched keys under which the key may exist.

    One for each option of its own group; of the keys that conditions name, the first value wanted.
    """
    needed, group = _needed(key, space), key.partition(".")[0]
    if group == key or group not in space.entries:
        yield needed
        return
    when = {**needed, **(space.entries[key].when if key in space.entries else {})}
    for option in space.entries[group].extremes():
        if group not in when or option in _listed(when[group]):
            yield {**needed, group: option}


def _needed(key: str, space: Space) -> Assignment:
    """Return the first values under which a key exists, of keys that are searched."""
    needed: Assignment = {}
    for other, wanted in space.entries[key].when.items() if key in space.entries else ():
        for value in _listed(wanted)[:1] if other in space.entries else ():
            needed |= {**_needed(other, space), other: value}
    return needed


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]
