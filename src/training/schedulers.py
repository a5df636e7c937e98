"""Learning-rate schedules over the minibatch steps of a training."""

from typing import TYPE_CHECKING

from src.config.types import Fraction, PositiveInt, Probability

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

# torch is imported in the functions, so that a configuration is checked without loading it.


def constant(*, optimizer: "Optimizer", total_steps: PositiveInt) -> "LRScheduler":
    """Keep the learning rate as it is."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, lambda step: 1.0)


def cosine(
    *, optimizer: "Optimizer", total_steps: PositiveInt, final_fraction: Probability = 0.0
) -> "LRScheduler":
    """Fall along half a cosine to `final_fraction` of the start (Loshchilov and Hutter 2017)."""
    from torch.optim.lr_scheduler import CosineAnnealingLR

    lowest = optimizer.defaults["lr"] * final_fraction
    return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=lowest)


def one_cycle(
    *, optimizer: "Optimizer", total_steps: PositiveInt, rising_fraction: Fraction = 0.25
) -> "LRScheduler":
    """Rise to the learning rate during `rising_fraction`, then fall to nearly zero (Smith 2018).

    `optimizer.lr` is the highest rate of the cycle; it starts at a 25th of it, and ends at a
    10,000th of that, as in torch's OneCycleLR. Momentum stays as the optimizer says.
    """
    from math import cos, pi

    from torch.optim.lr_scheduler import LambdaLR

    peak = rising_fraction * total_steps

    def share(step: int) -> float:
        rising = step <= peak
        far = step / peak if rising else (step - peak) / (total_steps - peak)
        start, end = (1 / 25, 1.0) if rising else (1.0, 1 / 25 / 10_000)
        return end + (start - end) * (1 + cos(pi * far)) / 2

    return LambdaLR(optimizer, share)
