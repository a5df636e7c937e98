"""What driver and workers say to each other."""

from dataclasses import dataclass, field
from typing import Literal, final

from src.config.plan import Plan


@final
@dataclass(frozen=True)
class Job:
    """To a worker: train this plan.

    number: of the trial, confirmation or refit, as kind says. metric: the epoch's number to
    report, None to report none. parent: run id of the sweep; sweep: its name. tags: more of them.
    """

    number: int
    plan: Plan
    metric: str | None
    parent: str
    sweep: str
    kind: Literal["trial", "confirmation", "refit"] = "trial"
    tags: dict[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Average:
    """To a worker: make an ensemble of finished runs, which answers with their mean."""

    run_ids: tuple[str, ...]
    plan: Plan
    parent: str
    tags: dict[str, str]


@final
@dataclass(frozen=True)
class EvaluateOnTest:
    """To a worker: look at the test images with the model of this finished run, and export it."""

    run_id: str
    plan: Plan


@final
@dataclass(frozen=True)
class Continue:
    """To a worker: train the next epoch."""


@final
@dataclass(frozen=True)
class Prune:
    """To a worker: end this trial, it does not promise enough; reason is kept on its run."""

    reason: str = "behind the other trials at this epoch"


@final
@dataclass(frozen=True)
class Stop:
    """To a worker: end this trial tidily; reason is kept on its run."""

    reason: str


@final
@dataclass(frozen=True)
class Ready:
    """From a worker: its libraries are loaded."""


@final
@dataclass(frozen=True)
class Started:
    """From a worker: the run of the job exists, and the model has so many parameters."""

    run_id: str
    parameters: int


@final
@dataclass(frozen=True)
class Epoch:
    """From a worker: an epoch, counted from 1, has ended; it waits for Continue, Prune or Stop."""

    number: int
    value: float | None


@final
@dataclass(frozen=True)
class Finished:
    """From a worker: the job is done; values by metric name, of the epoch that was kept."""

    run_id: str
    values: dict[str, float]
    epochs: int
    best_epoch: int = 0


@final
@dataclass(frozen=True)
class Stopped:
    """From a worker: the job was ended as asked, pruned or stopped."""

    pruned: bool


@final
@dataclass(frozen=True)
class Failed:
    """From a worker: the job raised; reason is one line or a few."""

    reason: str


FromWorker = Ready | Started | Epoch | Finished | Stopped | Failed
Task = Job | Average | EvaluateOnTest
ToWorker = Task | Continue | Prune | Stop
