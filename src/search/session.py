"""What all parts of one session of a sweep share."""

from dataclasses import dataclass
from typing import final

import optuna

from src.config.plan import Plan
from src.process.signals import StopRequest
from src.search.executors.base import Executor
from src.search.request import Request
from src.search.screen import SweepScreen
from src.search.space import Assignment
from src.search.study import trial_seed
from src.search.usage import Usage
from src.tracking.connection import Store
from src.tracking.run import Status
from src.tracking.runs import existing_run
from src.training.description import as_trial


@final
@dataclass(frozen=True)
class Session:
    """One session of a sweep, from its first trial to its report; parent: the sweep's run id."""

    request: Request
    study: optuna.Study
    executor: Executor
    store: Store
    parent: str
    usage: Usage
    screen: SweepScreen
    stop: StopRequest

    def trial_plan(self, assignment: Assignment, number: int) -> Plan:
        """Return what a trial with these values trains; raises ConfigError if they do not fit."""
        seed = trial_seed(self.request.settings.seed, number)
        plan = self.request.composer.plan(assignment, seed=seed, name="trial")
        return as_trial(plan, number, searched=assignment)

    def end_run(self, run_id: str, status: Status, *, reason: str) -> None:
        """End a run on which nobody works any more."""
        existing_run(self.store, run_id).finish(status, reason=reason)
