"""A storage that waits for its database where that is away, rather than ending the search."""

import sys
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Any, final

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import InterfaceError, OperationalError

from src.errors import StudiesAway, TrainingFailed, first_line
from src.search.storage.base import Taken

PATIENCE_S = 600.0
"""How long a search waits for its database."""

TRY_EVERY_S = 0.5
MADE_TWICE = "made twice, when the database's answer was lost"


@final
class Patient:
    """Does what a `BaseStorage` does, again and again while the database cannot be reached.

    What is asked a second time may have been done the first time, its answer lost. Most of it
    then makes no difference; for the rest it counts that only this process works on the study.
    Gives up after PATIENCE_S with StudiesAway, or where check_stop raises; nothing waits any more
    from then on, so that what has to be closed is closed at once. Raises TrainingFailed where
    another process has ended a trial.
    """

    def __init__(self, storage: BaseStorage, *, where: str, check_stop: Callable[[], None]) -> None:
        self._storage = storage
        self._where = where
        self._check_stop = check_stop
        self._trials: dict[int, int] = {}
        self._troubles = 0
        self._given_up = False

    def __getattr__(self, name: str) -> Any:
        """Return the storage's method of this name, made patient."""
        method = getattr(self._storage, name)

        def patiently(*args: Any, **kwargs: Any) -> Any:
            try:
                return self._insist(lambda: method(*args, **kwargs))
            except UpdateFinishedTrialError as error:
                raise self._replaced() from error

        return patiently

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial; one that was made twice fails, so that nothing is tried twice."""
        if study_id not in self._trials:
            self._trials[study_id] = len(self.get_all_trials(study_id, deepcopy=False))
        trial_id = self._insist(
            lambda: self._storage.create_new_trial(study_id, template_trial=template_trial)
        )
        trials = self.get_all_trials(study_id, deepcopy=False)
        for trial in trials[self._trials[study_id] :]:
            if trial._trial_id != trial_id:
                self.set_trial_user_attr(trial._trial_id, "end_reason", MADE_TWICE)
                self.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        self._trials[study_id] = len(trials)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set a trial's state, once.

        Raises TrainingFailed where another process has ended the trial.
        """
        troubles = self._troubles
        try:
            done = self._insist(
                lambda: self._storage.set_trial_state_values(trial_id, state, values)
            )
        except UpdateFinishedTrialError as error:
            if troubles == self._troubles or self.get_trial(trial_id).state != state:
                raise self._replaced() from error
            return True
        return done or (troubles != self._troubles and self.get_trial(trial_id).state == state)

    def _insist(self, call: Callable[[], Any]) -> Any:
        began, told = monotonic(), False
        while True:
            try:
                done = call()
            except Exception as error:
                reason = absence(error)
                if reason is None:
                    raise
                self._troubles += 1
                if self._given_up or monotonic() - began > PATIENCE_S:
                    self._given_up = True
                    raise StudiesAway(
                        f"Optuna's storage {self._where} has not come back within "
                        f"{PATIENCE_S / 60:.0f} minutes ({reason}); what was finished is in it, "
                        "and the same command goes on from there"
                    ) from error
            else:
                if told:
                    _say(f"Optuna's storage is back after {monotonic() - began:.0f} s")
                return done
            if not told:
                _say(
                    f"Optuna's storage {self._where} is away ({reason}); the search waits for it "
                    f"up to {PATIENCE_S / 60:.0f} minutes"
                )
                told = True
            self._rest()

    def _replaced(self) -> TrainingFailed:
        return TrainingFailed(
            f"{self._where}: another process has ended a trial of this search, which it must have "
            "taken over while the database was away; the same command goes on when that one is done"
        )

    def _rest(self) -> None:
        try:
            self._check_stop()
        except BaseException:
            self._given_up = True
            raise
        sleep(TRY_EVERY_S)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def absence(error: BaseException) -> str | None:
    """Return why the database cannot be reached, None where that is not what happened."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, Taken):
            return "another session works on this sweep there"
        if isinstance(at, OperationalError | InterfaceError):
            return first_line(at.orig or at)
        at = at.__cause__ or at.__context__
    return None
