"""Learning-rate schedules over the minibatch steps of a training."""

from typing import TYPE_CHECKING

from src.ranges import Fraction, PositiveInt, Probability

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

    `optimizer.lr` is the highest rate of the cycle.
    """
    from torch.optim.lr_scheduler import OneCycleLR

    return OneCycleLR(
        optimizer,
        max_lr=optimizer.defaults["lr"],
        total_steps=total_steps + 1,  # torch counts the rate before the first step as one
        pct_start=rising_fraction,
        cycle_momentum=bool({"momentum", "betas"} & optimizer.defaults.keys()),
    )
