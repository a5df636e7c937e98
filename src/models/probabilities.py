"""Grey values into a model, logits out of it as probabilities; needs torch alone."""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from src.config.plan import Loss
from src.stats.scores import SMALLEST


def scale(pixels: Tensor) -> Tensor:
    """Map grey values uint8 0..255 to float32 in [0, 1]."""
    return pixels.to(torch.float32).mul_(1 / 255)


def log_probabilities(logits: Tensor, loss: Loss) -> Tensor:
    """Return log probabilities `[N, K]` of logits `[N, K]`, as the loss they were trained with."""
    if loss == "softmax":
        return F.log_softmax(logits, dim=1)
    yes = F.logsigmoid(logits)
    return yes - yes.logsumexp(dim=1, keepdim=True)


def log_losses(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return each image's log loss in nats, float32 `[N]`, as `src.stats.scores.log_loss` has it.

    log_probabilities: `[N, K]`; labels: int64 `[N]`.
    """
    return F.nll_loss(log_probabilities, labels, reduction="none").clamp_max(-log(SMALLEST))
