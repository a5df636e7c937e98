"""The optimizers of torch, with their ranges declared."""

from typing import TYPE_CHECKING

from src.config.types import Flag, NonNegative, Positive, Probability

if TYPE_CHECKING:
    from torch.optim import Optimizer

# torch is imported in the functions, so that a configuration is checked without loading it.
# `params` are torch's parameter groups: the training exempts biases from weight decay there.


def adamw(
    *,
    params: list[dict],
    lr: Positive = 3e-3,
    weight_decay: NonNegative = 1e-2,
    betas: tuple[Probability, Probability] = (0.9, 0.999),
) -> "Optimizer":
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    from torch.optim import AdamW

    return AdamW(params, lr=lr, weight_decay=weight_decay, betas=betas, fused=_fused(params))


def adam(
    *,
    params: list[dict],
    lr: Positive = 3e-3,
    betas: tuple[Probability, Probability] = (0.9, 0.999),
) -> "Optimizer":
    """Adam (Kingma and Ba 2015)."""
    from torch.optim import Adam

    return Adam(params, lr=lr, betas=betas, fused=_fused(params))


def sgd(
    *,
    params: list[dict],
    lr: Positive = 0.1,
    momentum: Probability = 0.9,
    nesterov: Flag = True,
    weight_decay: NonNegative = 0.0,
) -> "Optimizer":
    """Stochastic gradient descent with momentum (Sutskever et al. 2013)."""
    from torch.optim import SGD

    return SGD(
        params,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov and momentum > 0,
        weight_decay=weight_decay,
        fused=_fused(params),
    )


def adagrad(
    *,
    params: list[dict],
    lr: Positive = 0.03,
    initial_accumulator: NonNegative = 0.1,
) -> "Optimizer":
    """Adagrad (Duchi, Hazan and Singer 2011); the exercise's optimizer."""
    from torch.optim import Adagrad

    fused = _fused(params, kinds=("cpu",))  # torch 2.11 has no such kernel of it for a GPU
    return Adagrad(params, lr=lr, initial_accumulator_value=initial_accumulator, fused=fused)


def _fused(params: list[dict], kinds: tuple[str, ...] = ("cpu", "cuda")) -> bool:
    """Tell whether all parameters are on one of the kinds of device with a one-pass kernel."""
    devices = {p.device.type for group in params for p in group["params"]}
    return len(devices) == 1 and devices <= set(kinds)
