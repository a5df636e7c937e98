"""Progress on the screen while a training runs."""

import sys
from abc import ABC, abstractmethod
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from src.config.plan import Plan


class EpochReporter(ABC):
    """Hears of every epoch of a training; use it as a context manager."""

    def __enter__(self) -> "EpochReporter":
        return self

    def __exit__(  # noqa: B027  nothing to tidy for those who draw nothing
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the screen tidy."""

    @abstractmethod
    def advance(self, *, epochs_done: float) -> None:
        """Hear how far the training is, in epochs and fractions of one."""

    @abstractmethod
    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Hear the numbers of a finished epoch; epochs count from 1."""


@final
class SilentReporter(EpochReporter):
    """Says nothing."""

    def advance(self, *, epochs_done: float) -> None:
        """Do nothing."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Do nothing."""


@final
class LineReporter(EpochReporter):
    """Prints a plain line an epoch, for logs and pipes."""

    def __init__(self, title: str, *, max_epochs: int) -> None:
        self._title = title
        self._max_epochs = max_epochs

    def __enter__(self) -> "LineReporter":
        print(self._title, flush=True)
        return self

    def advance(self, *, epochs_done: float) -> None:
        """Do nothing: only whole epochs make a line."""

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Print the epoch's numbers."""
        print(f"epoch {number}/{self._max_epochs}  {_numbers(metrics)}", flush=True)


@final
class BarReporter(EpochReporter):
    """Draws a progress bar with the time left, for terminals."""

    def __init__(self, title: str, *, max_epochs: int) -> None:
        self._title = title
        whole = Column(no_wrap=True)
        self._bar = Progress(
            TextColumn("epoch {task.completed:.0f}/{task.total}", table_column=whole),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}", table_column=whole),
            TimeRemainingColumn(table_column=whole),
            TextColumn("left"),
            console=Console(stderr=True),
            expand=True,
        )
        self._task = self._bar.add_task("", total=max_epochs, numbers="")

    def __enter__(self) -> "BarReporter":
        print(self._title, flush=True)
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is and free the screen."""
        self._bar.stop()

    def advance(self, *, epochs_done: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=epochs_done)

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Show the epoch's numbers beside the bar."""
        self._bar.update(self._task, completed=number, numbers=_numbers(metrics))


def epoch_reporter(plan: Plan) -> EpochReporter:
    """Return a bar where a person looks on, lines elsewhere, with what is trained on what."""
    arguments = ", ".join(f"{k}={v}" for k, v in plan.model.arguments.items() if v)
    verb = f"resuming run {plan.resume}:" if plan.resume else "training"
    title = (
        f"{verb} {plan.choices['model']} ({arguments or 'defaults'}) on {plan.choices['data']}, "
        f"up to {plan.trainer.max_epochs} epochs, seed {plan.seed}"
    )
    kind = BarReporter if sys.stderr.isatty() and sys.stdout.isatty() else LineReporter
    return kind(title, max_epochs=plan.trainer.max_epochs)


def _numbers(metrics: dict[str, float]) -> str:
    if "val_loss" not in metrics:
        return f"train loss {metrics['train_loss']:.4f}  train acc {metrics['train_accuracy']:.4f}"
    return (
        f"loss {metrics['train_loss']:.4f}  val {metrics['val_loss']:.4f}  "
        f"accuracy {metrics['val_accuracy']:.4f}"
    )
