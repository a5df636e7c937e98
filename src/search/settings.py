"""What a sweep's configuration says beside the space, as plain objects."""

from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from src.config.types import Flag, NonNegativeInt, Positive, PositiveInt, Seed

Metric = Literal["val_accuracy", "val_loss", "parameters", "seconds"]
EPOCH_METRICS = ("val_accuracy", "val_loss")
"""Metrics that every epoch has, so that a pruner can compare trials before their end."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Objective(_Part):
    """A metric of the epoch that is kept; more accuracy is better, and less of all others."""

    metric: Metric = "val_accuracy"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """What Optuna is to do with it."""
        return "maximize" if self.metric == "val_accuracy" else "minimize"

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that more is better: 1 or -1."""
        return 1 if self.direction == "maximize" else -1

    def reaches(self, value: float, target: float) -> bool:
        """Tell whether the value is as good as the target, or better."""
        return value >= target if self.direction == "maximize" else value <= target


@final
class Confirm(_Part):
    """How many of the best trials are trained again, each on how many fresh seeds."""

    top: PositiveInt = 3
    seeds: NonNegativeInt = 3


@final
class Refit(_Part):
    """How often the winner is trained on training and validation rows together; 0: never."""

    seeds: NonNegativeInt = 1


@final
class Constraints(_Part):
    """The most parameters that a trial may have, None: any number; with more it cannot win."""

    parameters: PositiveInt | None = None

    def limits(self) -> dict[str, float]:
        """Return those that are set, by name of the metric."""
        return self.model_dump(exclude_none=True)


@final
class SweepSettings(BaseModel):
    """Objective, target and budgets; budgets are totals over all sessions of a sweep.

    storage: address of the database that holds the study; None: a journal beside the tracked runs.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    objective: list[Objective] = Field(default=[Objective()], min_length=1)
    target: float | None = Field(default=None, allow_inf_nan=False)
    constraints: Constraints = Constraints()
    n_trials: PositiveInt = 20
    timeout_minutes: Positive | None = None
    max_failures: PositiveInt = 5
    confirm: Confirm = Confirm()
    refit: Refit = Refit()
    enqueue: list[dict[str, Any]] = []
    space: dict[str, Any] = {}
    fresh: Flag = False
    storage: str | None = None
    seed: Seed = 1

    @field_validator("objective", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        """Read one objective, or several as a list of metrics."""
        if isinstance(value, dict) and isinstance(value.get("metric"), list):
            return [{**value, "metric": metric} for metric in value["metric"]]
        return value if isinstance(value, list) else [value]

    @property
    def refits(self) -> int:
        """How often the winner is trained on all rows: not at all with several objectives."""
        return self.refit.seeds if len(self.objective) == 1 else 0

    @property
    def epoch_metric(self) -> str | None:
        """The metric workers report after each epoch; None where trials cannot be compared then."""
        only = self.objective[0].metric
        return only if len(self.objective) == 1 and only in EPOCH_METRICS else None
