"""The linear classifier: one weight image a class."""

from typing import TYPE_CHECKING

from src.config.types import ImageShape, PositiveInt, Probability

if TYPE_CHECKING:
    from torch import nn

# torch is imported in the function, so that a configuration is checked without loading it.


def linear(
    *, image_shape: ImageShape, num_classes: PositiveInt, input_dropout: Probability = 0.0
) -> "nn.Module":
    """Return a model that maps images `[N, C, H, W]` in [0, 1] to logits `[N, num_classes]`.

    Weights start at zero: the loss is convex, so the start does not matter to where it ends, and
    pixels that never change keep a weight of exactly zero in the pictures.
    input_dropout: share of pixels taken for empty at random while training.
    """
    from math import prod

    from torch import nn

    from src.models.input_dropout import InputDropout

    layer = nn.Linear(prod(image_shape), num_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    dropout = [InputDropout(input_dropout)] if input_dropout else []
    return nn.Sequential(nn.Flatten(), *dropout, layer)
