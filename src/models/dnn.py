"""The dense network: fully connected layers of any number and width."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from src.config.types import Flag, ImageShape, PositiveInt, Probability

if TYPE_CHECKING:
    from torch import nn

# torch is imported in the function, so that a configuration is checked without loading it.

Activation = Literal["relu", "gelu", "silu", "tanh", "leaky_relu"]


def dnn(
    *,
    image_shape: ImageShape,
    num_classes: PositiveInt,
    hidden_sizes: Annotated[list[PositiveInt], Field(min_length=1)] = [256, 128],  # noqa: B006
    activation: Activation = "relu",
    batch_norm: Flag = False,
    init: Literal["uniform", "glorot"] = "uniform",
    dropout: Probability = 0.0,
    input_dropout: Probability = 0.0,
) -> "nn.Module":
    """Return a model that maps images `[N, C, H, W]` in [0, 1] to logits `[N, num_classes]`.

    hidden_sizes: units of each hidden layer, first to last.
    batch_norm: normalise each hidden layer before its activation (Ioffe and Szegedy 2015).
    dropout, input_dropout: share of hidden units set to zero, and of pixels taken for empty, at
    random while training (Srivastava et al. 2014).
    init: how weights start. uniform: as PyTorch draws them, within 1 / sqrt(inputs), less than He
    et al. (2015) propose for rectifiers, which trains as well here and leaves less noise in the
    pictures. glorot: within sqrt(6 / (inputs + outputs)), and biases zero (Glorot and Bengio 2010).
    """
    from math import prod

    from torch import nn

    from src.models.input_dropout import InputDropout

    activations = {
        "relu": nn.ReLU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "leaky_relu": nn.LeakyReLU,
    }
    layers: list[nn.Module] = [nn.Flatten()]
    if input_dropout:
        layers.append(InputDropout(input_dropout))
    width = prod(image_shape)
    for size in hidden_sizes:
        hidden = nn.Linear(width, size, bias=not batch_norm)
        layers.append(hidden)
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(activations[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    model = nn.Sequential(*layers, nn.Linear(width, num_classes))
    if init == "glorot":
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    return model
