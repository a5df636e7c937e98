"""Opens the Optuna study of a sweep: new, resumed, or refused as its definition has changed."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from src.config.plan import Component
from src.errors import ConfigError
from src.search.settings import SweepSettings
from src.search.space import Space

RETRIED = "retry_of"
"""Attribute of a trial that tries the values of an interrupted one again: that one's number."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
"""How trials end that count towards `n_trials`."""
ENQUEUED = "enqueued"
"""Attribute of a trial whose values were put in line: these, before any is drawn."""


def latest_name(storage: BaseStorage, name: str, *, fresh: bool) -> str:
    """Return the study's name: `name`, and after each fresh start `name.2`, `name.3`, ..."""
    taken = set(optuna.get_all_study_names(storage))
    generation = 1
    while _numbered(name, generation + 1) in taken:
        generation += 1
    if fresh and _numbered(name, generation) in taken:
        generation += 1
    return _numbered(name, generation)


def open_study(
    storage: BaseStorage,
    name: str,
    *,
    settings: SweepSettings,
    space: Space,
    definition: Mapping[str, Any],
    sampler: Component,
    pruner: Component,
) -> optuna.Study:
    """Return the study, created with the configurations to try first, or resumed.

    definition: what must not change while a sweep goes on, by key.
    Raises ConfigError with every difference where the definition has changed.
    """
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[objective.direction for objective in settings.objective],
        load_if_exists=True,
        pruner=pruner.build(),
    )
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # TPE's group=true
    # another seed after each interruption, else the first points would be drawn again
    study.sampler = sampler.build(seed=(settings.seed * 1_000_003 + len(study.trials)) % 2**32)
    stored = study.user_attrs.get("definition")
    now = json.loads(json.dumps(definition, default=str))
    if stored is None:
        for assignment in settings.enqueue:  # those not yet there: this may have been cut off
            _enqueue(study, space.encode(assignment))
        study.set_user_attr("definition", now)
    elif stored != now:
        raise ConfigError(*_differences(name, stored, now))
    return study


def try_again(study: optuna.Study, trial: Trial | FrozenTrial, *, reason: str) -> None:
    """Fail an interrupted trial and put its values in line for another."""
    if isinstance(trial, Trial):
        trial.set_user_attr("end_reason", reason)
    study.tell(trial.number, state=TrialState.FAIL)
    values = {**trial.user_attrs.get(ENQUEUED, {}), **trial.params}
    _enqueue(study, values, **{RETRIED: trial.number, "retry_reason": reason})


def _enqueue(study: optuna.Study, values: dict[str, Any], **attributes: Any) -> None:
    """Put values in line, unless they were tried; keep them where a trial is cut off undrawn."""
    study.enqueue_trial(
        values, user_attrs={ENQUEUED: values, **attributes}, skip_if_exists=not attributes
    )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count towards `n_trials`: complete or pruned."""
    return study.get_trials(states=FINISHED, deepcopy=False)


def stopped_trials(study: optuna.Study) -> set[int]:
    """Return the numbers of the trials whose values were put in line again."""
    trials = study.get_trials(deepcopy=False)
    return {trial.user_attrs[RETRIED] for trial in trials if RETRIED in trial.user_attrs}


def counts_by_state(study: optuna.Study) -> dict[str, int]:
    """Return the number of trials by state; those stopped and tried again count as STOPPED."""
    trials = study.get_trials(deepcopy=False)
    again = stopped_trials(study)
    return dict(Counter("STOPPED" if t.number in again else t.state.name for t in trials))


def best_first(study: optuna.Study) -> list[FrozenTrial]:
    """Return the complete trials that may win, the best in the first objective first."""
    complete = study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)
    return ranked(complete, sign=sign_of(study))


def sign_of(study: optuna.Study) -> int:
    """Return what the first objective is multiplied by so that more is better: 1 or -1."""
    return 1 if study.directions[0] == StudyDirection.MAXIMIZE else -1


def ranked(trials: Iterable[FrozenTrial], *, sign: int) -> list[FrozenTrial]:
    """Return the trials that are complete and may win, the best first, of equals the first.

    Those that break a constraint may not win. sign: what the first objective is multiplied by so
    that more is better.
    """
    winning = [t for t in trials if t.state == TrialState.COMPLETE and keeps_within(t)]
    return sorted(winning, key=lambda trial: -sign * trial.values[0])


def curve(trial: FrozenTrial) -> list[float]:
    """Return what a trial has reported, epoch by epoch."""
    return [value for _, value in sorted(trial.intermediate_values.items())]


def keeps_within(trial: FrozenTrial) -> bool:
    """Tell whether a trial breaks no constraint."""
    return all(excess <= 0 for excess in trial.constraints.values())


def best_value(study: optuna.Study) -> float | None:
    """Return the best value of a study of one objective; None before there is one."""
    best = best_first(study) if len(study.directions) == 1 else []
    return best[0].values[0] if best else None


def is_better(value: float, best: float | None, *, sign: int) -> bool:
    """Tell whether a value is better than the best so far, None for none; sign: see `ranked`."""
    return best is None or sign * value > sign * best


def best_so_far(study: optuna.Study) -> dict[int, float]:
    """Return the best value wherever it has changed, and at the end, by finished trials."""
    found: dict[int, float] = {}
    if len(study.directions) > 1:
        return found
    best, ended, sign = None, finished_trials(study), sign_of(study)
    for count, trial in enumerate(sorted(ended, key=lambda t: str(t.datetime_complete)), start=1):
        may_win = trial.state == TrialState.COMPLETE and keeps_within(trial)
        if may_win and is_better(trial.values[0], best, sign=sign):
            best = found[count] = trial.values[0]
        elif best is not None and count == len(ended):
            found[count] = best
    return found


def trial_seed(sweep_seed: int, number: int) -> int:
    """Return the seed of a trial: a function of the sweep's seed and the trial's number."""
    digest = sha256(f"{sweep_seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _numbered(name: str, generation: int) -> str:
    return name if generation == 1 else f"{name}.{generation}"


def _differences(name: str, stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before = {**dict.fromkeys(now, "not there"), **stored}
    after = {**dict.fromkeys(stored, "not there"), **now}
    return [
        *(
            f"`{key}`: was {before[key]} when sweep {name} began, is {after[key]} now"
            for key in {**stored, **now}
            if before[key] != after[key]
        ),
        f"sweep {name} cannot continue with another definition; give the new one a name "
        "(name=ANOTHER), or start again with fresh=true, which keeps the old one aside",
    ]
