"""The first-layer units that answer a picture the most, as pictures of their weights."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from src.figures.weights import shared_scale_limit, weight_tiles
from src.inference.preprocessing import Prepared
from src.inference.recogniser import Recogniser
from src.models.probabilities import scale

TILE_PX = 84


@final
@dataclass(frozen=True)
class Unit:
    """One unit of the first layer.

    name: the class it speaks for where the model is linear, else its number. response: what the
    layer gives for the picture, its weights times the pixels plus bias. tile: its weights, red for
    positive, blue for negative, on one scale for all units of the layer.
    """

    name: str
    response: float
    tile: Image.Image


def strongest_units(recogniser: Recogniser, prepared: Prepared, *, most: int = 6) -> list[Unit]:
    """Return the units with the largest responses, the largest first.

    Empty where the first layer with weights does not see the whole picture, as a convolution.
    """
    layers = [m for m in recogniser.predictor.modules() if isinstance(m, nn.Linear)]
    others = [m for m in recogniser.predictor.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    if not layers or others:
        return []
    responses = _responses(recogniser, layers[0], prepared)
    weights = layers[0].weight.detach().cpu().numpy().reshape(-1, *recogniser.image_shape)
    order = np.argsort(-responses, kind="stable")[:most]
    names = recogniser.predictor.class_names if len(layers) == 1 else range(len(weights))
    limit = _scale_limit(layers[0], recogniser.image_shape)
    tiles = weight_tiles(weights[order], limit=limit, tile_px=TILE_PX)
    return [
        Unit(str(names[int(k)]), float(responses[k]), tile)
        for k, tile in zip(order, tiles, strict=True)
    ]


@lru_cache(maxsize=16)
def _scale_limit(layer: nn.Linear, image_shape: tuple[int, int, int]) -> float:
    weights = layer.weight.detach().cpu().numpy()
    return shared_scale_limit(weights.reshape(-1, *image_shape))


@torch.inference_mode()
def _responses(recogniser: Recogniser, layer: nn.Linear, prepared: Prepared) -> np.ndarray:
    """Return what the layer gives for the picture, float32 `[U]`."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        recogniser.predictor(scale(torch.from_numpy(prepared.pixels[np.newaxis, np.newaxis])))
    finally:
        handle.remove()
    return kept[0][0].cpu().numpy()
