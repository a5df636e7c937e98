"""Small affine and elastic distortions of a whole minibatch, as tensor operations."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_ROTATION = math.radians(12)
MAX_SHEAR = 0.15
MAX_SCALE = 0.12
MAX_SHIFT = 0.08  # of the image's side
ELASTIC_GRID = 5  # control points a side
ELASTIC_SD = 0.06  # of half the image's side


def augment(images: Tensor, *, strength: float) -> Tensor:
    """Return the images `[N, C, H, W]` distorted, each in its own way, by torch's global RNG.

    Every image is turned, sheared, scaled and shifted by amounts drawn uniformly up to `strength`
    times the limits above, and bent by a smooth displacement field, in the manner of Simard,
    Steinkraus and Platt (2003); their Gaussian-smoothed field is replaced by a coarse grid of
    normal displacements, interpolated bicubically. strength: 0 changes nothing, 1 is handwriting.
    """
    grid = _affine_grid(images, strength) + _elastic_field(images, strength)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _affine_grid(images: Tensor, strength: float) -> Tensor:
    draws = (torch.rand(6, len(images), device=images.device) * 2 - 1) * strength
    angle, shear = draws[0] * MAX_ROTATION, draws[1] * MAX_SHEAR
    width, height = 1 + draws[2] * MAX_SCALE, 1 + draws[3] * MAX_SCALE
    shift = draws[4:6] * (2 * MAX_SHIFT)
    cos, sin = torch.cos(angle), torch.sin(angle)
    tall = images.shape[-2] / images.shape[-1]  # the grid's units are half sides, not pixels
    rows = [
        torch.stack([width * cos, tall * width * (shear * cos - sin), shift[0]], dim=1),
        torch.stack([height * sin / tall, height * (shear * sin + cos), shift[1]], dim=1),
    ]
    return F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)


def _elastic_field(images: Tensor, strength: float) -> Tensor:
    coarse = torch.randn(len(images), 2, ELASTIC_GRID, ELASTIC_GRID, device=images.device)
    field = F.interpolate(
        coarse.mul_(ELASTIC_SD * strength), size=images.shape[-2:], mode="bicubic"
    )
    return field.permute(0, 2, 3, 1)
