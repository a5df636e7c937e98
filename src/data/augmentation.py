"""Small distortions of a whole minibatch, as tensor operations."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from src.pictures.form import IMAGES_MEASURED, background, evenly

MAX_ROTATION = math.radians(12)
MAX_SHEAR = 0.15
MAX_SCALE = 0.12
MAX_SHIFT = 0.08  # of the image's side
ELASTIC_SMOOTHNESS = 0.36  # of half the image's side: 5 of 28 pixels
ELASTIC_SD = 0.06  # of half the image's side
LATTICE = 8  # points a side, about as far apart as the field is smooth


def augment(images: Tensor, *, strength: float, paper: float = 0.0) -> Tensor:
    """Return the images `[N, C, H, W]` distorted, each in its own way, by torch's global RNG.

    Every image is turned, sheared, scaled and shifted by amounts drawn uniformly up to `strength`
    times the limits above, and bent by a smooth displacement field, as in Simard, Steinkraus and
    Platt (2003): noise smoothed by a Gaussian, here noise on a lattice as fine as that needs.
    strength: 0 changes nothing, 1 is handwriting. paper: what comes in from outside the image.
    """
    if paper:
        return augment(images - paper, strength=strength) + paper
    number, _, height, width = images.shape
    basis = _basis(height, width, images.device)
    affine = _affine(number, height / width, strength, images.device)
    bends = torch.randn(number, 2, LATTICE**2, device=images.device)
    mixture = torch.cat([affine, bends.mul_(ELASTIC_SD * strength)], dim=2)
    grid = (mixture.flatten(0, 1) @ basis).view(number, 2, height, width).permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def paper_level(pixels: np.ndarray) -> float:
    """Return the background of training images, uint8 `[N, C, H, W]`, a grey value as 0..1."""
    grey = pixels[evenly(len(pixels), IMAGES_MEASURED)].mean(axis=1)
    return round(background(grey)) / 255


def thicken(images: Tensor, *, amount: float) -> Tensor:
    """Return the images `[N, C, H, W]` with strokes thicker or thinner, each by its own width.

    amount: of a pixel, 0..1, at most, on either side of a stroke; by torch's global RNG.
    """
    share = (torch.rand(len(images), 1, 1, 1, device=images.device) * 2 - 1) * amount
    thick, thin = _of_neighbours(images, torch.maximum), _of_neighbours(images, torch.minimum)
    return images + share.clamp_min(0) * (thick - images) - share.clamp_max(0) * (thin - images)


def _of_neighbours(images: Tensor, choose: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return what is chosen of each 3 x 3 pixels; six times as fast as torch's pooling here."""
    rows = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = choose(choose(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
    return choose(choose(rows[..., :-2, :], rows[..., 1:-1, :]), rows[..., 2:, :])


@cache
def _basis(height: int, width: int, device: torch.device) -> Tensor:
    """Return the fields of which every distortion is a weighted sum, `[3 + L * L, H * W]`.

    Both are linear in what is drawn, so that one matrix product gives the whole field: a pixel's
    x, y and 1, in half sides from the middle, and the Gaussian around every point of the lattice,
    scaled so that unit noise gives unit displacements everywhere.
    """
    x, y = ((2 * torch.arange(side, device=device) + 1) / side - 1 for side in (width, height))
    plane = torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), torch.ones_like(y[:, None] * x)]
    )
    edge = 1 + ELASTIC_SMOOTHNESS
    lattice = torch.linspace(-edge, edge, LATTICE, device=device)[:, None]
    across, down = (torch.exp(-(((lattice - z) / ELASTIC_SMOOTHNESS) ** 2) / 2) for z in (x, y))
    bumps = torch.einsum("iy,jx->ijyx", down, across).flatten(0, 1)
    bumps /= bumps.square().sum(dim=0).sqrt()
    return torch.cat([plane, bumps]).flatten(1)


def _affine(number: int, tall: float, strength: float, device: torch.device) -> Tensor:
    """Return an affine map each: the weights of x, y and 1 in both coordinates, `[N, 2, 3]`."""
    draws = (torch.rand(6, number, device=device) * 2 - 1) * strength
    angle, shear = draws[0] * MAX_ROTATION, draws[1] * MAX_SHEAR
    width, height = 1 + draws[2] * MAX_SCALE, 1 + draws[3] * MAX_SCALE
    shift = draws[4:6] * (2 * MAX_SHIFT)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [  # the grid's units are half sides, not pixels
        torch.stack([width * cos, tall * width * (shear * cos - sin), shift[0]], dim=1),
        torch.stack([height * sin / tall, height * (shear * sin + cos), shift[1]], dim=1),
    ]
    return torch.stack(rows, dim=1)
