"""The first-layer units that answer a picture the most, as pictures of their weights."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import nn

from src.figures.weights import shared_scale_limit, weight_tiles
from src.inference.recogniser import Recogniser
from src.models.probabilities import scale
from src.pictures.preparation import Prepared

TILE_PX = 84


@final
@dataclass(frozen=True)
class Unit:
    """One unit of the first layer.

    name: "class 7" for the class it speaks for where the model is linear, else "unit 12".
    response: what the layer gives for the picture, its weights times the pixels plus bias. tile:
    its weights, red for positive, blue for negative, on one scale for all units of the layer.
    """

    name: str
    response: float
    tile: Image.Image


def strongest_units(recogniser: Recogniser, prepared: Prepared, *, most: int = 6) -> list[Unit]:
    """Return the units with the largest responses, the largest first.

    Empty where the first layer with weights does not see the whole picture, as a convolution. Of
    networks that answer together, those of the first one.
    """
    modules = recogniser.predictor.modules()
    layers = [m for m in modules if any(p.ndim > 1 for p in m.parameters(recurse=False))]
    first = next(iter(layers), None)
    image_shape = recogniser.predictor.image_shape
    if not isinstance(first, nn.Linear) or first.in_features != prod(image_shape):
        return []
    responses = _responses(first, prepared)
    weights = first.weight.detach().cpu().numpy().reshape(-1, *image_shape)
    order = np.argsort(-responses, kind="stable")[:most]
    units = [f"unit {number}" for number in range(len(weights))]
    classes = [f"class {name}" for name in recogniser.predictor.class_names]
    names = classes if len(layers) == 1 else units
    limit = _scale_limit(first, image_shape)
    tiles = weight_tiles(weights[order], limit=limit, tile_px=TILE_PX)
    return [Unit(names[k], float(responses[k]), tile) for k, tile in zip(order, tiles, strict=True)]


@lru_cache(maxsize=16)
def _scale_limit(layer: nn.Linear, image_shape: tuple[int, int, int]) -> float:
    weights = layer.weight.detach().cpu().numpy()
    return shared_scale_limit(weights.reshape(-1, *image_shape))


@torch.inference_mode()
def _responses(layer: nn.Linear, prepared: Prepared) -> np.ndarray:
    """Return what the layer gives for the picture, float32 `[U]`."""
    pixels = scale(torch.tensor(prepared.pixels)).to(layer.weight.device)
    return np.asarray(layer(pixels.flatten()).cpu())
