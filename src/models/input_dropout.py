"""Pixels that are left out at random while training."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class InputDropout(nn.Dropout):
    """Takes a share `p` of the pixels for empty paper, as if nothing had been drawn there.

    paper: the value of the training images' background, 0..1, which a training sets; the other
    pixels deviate from it 1 / (1 - p) times as much (Srivastava et al. 2014).
    """

    paper = 0.0

    def forward(self, images: Tensor) -> Tensor:
        """Return the images `[N, D]` with other pixels left out each time, in training alone."""
        if not self.paper or not self.training:
            return super().forward(images)
        return F.dropout(images - self.paper, self.p) + self.paper
