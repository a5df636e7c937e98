"""Successive halving without batches: of the trials that came to a rung, the best go on."""

from typing import Annotated, final

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from src.config.types import PositiveInt
from src.search.study import keeps_within, sign_of


@final
class SuccessiveHalving(BasePruner):
    """Looks at a trial after `first_epoch`, and again `factor` times as late, and so on.

    It goes on where it is among the best `1 / factor` of all that came to that epoch so far (Li et
    al. 2020, "A System for Massively Parallel Hyperparameter Tuning", but nobody is promoted
    later). Optuna's own counts also trials that were interrupted, against which the next try of
    the same values would have to win, and trials beyond a constraint, which cannot win.
    """

    def __init__(
        self, *, first_epoch: PositiveInt = 2, factor: Annotated[PositiveInt, Field(ge=2)] = 3
    ) -> None:
        self._first = first_epoch
        self._factor = factor

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to end after its last reported epoch."""
        epoch = trial.last_step
        if epoch is None or not self._is_rung(epoch):
            return False
        sign = sign_of(study)
        others = [
            sign * other.intermediate_values[epoch]
            for other in study.get_trials(deepcopy=False)
            if epoch in other.intermediate_values and other.number != trial.number
            if other.state != TrialState.FAIL and keeps_within(other)
        ]
        ahead = sum(value > sign * trial.intermediate_values[epoch] for value in others)
        return ahead >= max(1, (len(others) + 1) // self._factor)

    def _is_rung(self, epoch: int) -> bool:
        while epoch > self._first and epoch % self._factor == 0:
            epoch //= self._factor
        return epoch == self._first
