"""Progress on the screen while a training runs, and in words for its log."""

from typing import final

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from src.config.plan import Plan
from src.process.streams import on_terminal, screen


@final
class EpochReporter:
    """Hears of every epoch of a training; use it as a context manager.

    Draws a bar with the time left where a person looks on, elsewhere prints a line an epoch;
    without a title it says nothing.
    """

    def __init__(self, title: str = "", *, max_epochs: int = 0) -> None:
        self._title = title
        self._max_epochs = max_epochs
        drawn = bool(title) and on_terminal()
        self._prints = bool(title) and not drawn
        whole = Column(no_wrap=True)
        self._bar = Progress(
            TextColumn("epoch {task.completed:.0f}/{task.total}", table_column=whole),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}", table_column=whole),
            TimeRemainingColumn(table_column=whole),
            TextColumn("left"),
            console=screen(),
            expand=True,
            disable=not drawn,
        )
        self._task = self._bar.add_task("", total=max_epochs, numbers="")

    def __enter__(self) -> "EpochReporter":
        if self._title:
            print(self._title, flush=True)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is and free the screen."""
        self._bar.stop()

    def advance(self, *, epochs_done: float) -> None:
        """Hear how far the training is, in epochs and fractions of one."""
        self._bar.update(self._task, completed=epochs_done)

    def epoch(self, number: int, metrics: dict[str, float]) -> None:
        """Hear the numbers of a finished epoch; epochs count from 1."""
        self._bar.update(self._task, completed=number, numbers=numbers(metrics))
        if self._prints:
            print(f"epoch {number}/{self._max_epochs}  {numbers(metrics)}", flush=True)


def epoch_reporter(plan: Plan) -> EpochReporter:
    """Return a reporter that says what is trained on what."""
    arguments = ", ".join(f"{k}={v}" for k, v in plan.model.arguments.items() if v)
    verb = f"resuming run {plan.resume}:" if plan.resume else "training"
    title = (
        f"{verb} {plan.choices['model']} ({arguments or 'defaults'}) on {plan.choices['data']}, "
        f"up to {plan.trainer.max_epochs} epochs, seed {plan.seed}"
    )
    return EpochReporter(title, max_epochs=plan.trainer.max_epochs)


def numbers(metrics: dict[str, float]) -> str:
    """Return losses and accuracy of an epoch, for people."""
    if "val_loss" not in metrics:
        return f"train loss {metrics['train_loss']:.4f}  train acc {metrics['train_accuracy']:.4f}"
    return (
        f"loss {metrics['train_loss']:.4f}  val {metrics['val_loss']:.4f}  "
        f"accuracy {metrics['val_accuracy']:.4f}"
    )
