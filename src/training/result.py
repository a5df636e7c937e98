"""What a training reached: its scores, and where they are kept."""

from dataclasses import dataclass
from typing import final

CURVES = ("val_accuracy", "val_loss", "train_accuracy", "train_loss", "lr")
"""What of an epoch is tracked; the UI compares runs by the first of them."""


@final
@dataclass(frozen=True)
class Score:
    """Accuracy on `images` images with its 95 % Wilson interval, and log loss in nats."""

    accuracy: float
    low: float
    high: float
    log_loss: float
    images: int

    def describe(self) -> str:
        """Return the accuracy with its interval, for people."""
        return f"{self.accuracy:.4f}  (95 % interval {self.low:.4f} to {self.high:.4f})"

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return the numbers as metrics under `prefix`/."""
        return {
            f"{prefix}/accuracy": self.accuracy,
            f"{prefix}/accuracy_low": self.low,
            f"{prefix}/accuracy_high": self.high,
            f"{prefix}/log_loss": self.log_loss,
        }


@final
@dataclass(frozen=True)
class Result:
    """What a finished training reached.

    validation: None where every row was trained on. test: None where the test images were not
    looked at. train_accuracy: of the last epoch, on its images as they were trained on.
    """

    run_id: str
    tracked: bool
    epochs: int
    best_epoch: int
    parameters: int
    validation: Score | None
    test: Score | None
    train_accuracy: float
    training_seconds: float
    wall_seconds: float
