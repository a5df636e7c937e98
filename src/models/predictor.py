"""A trained model as it is used and exported: images in, class probabilities out."""

from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from src.config.plan import Component, Loss
from src.models.checkpoints import read_checkpoint
from src.models.probabilities import log_probabilities, scale


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers a model has learned."""
    return sum(parameter.numel() for parameter in model.parameters())


@final
class Predictor(nn.Module):
    """Maps images float32 `[N, C, H, W]` in [0, 1] to probabilities `[N, K]`."""

    BLOCK = 4096
    """Images per forward pass."""

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Loss,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.model = model
        self.image_shape = image_shape
        self.class_names = class_names
        self.loss: Loss = loss
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities `[N, K]`."""
        return log_probabilities(self.model(images), self.loss).exp()

    @torch.inference_mode()
    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Return probabilities, float32 `[N, K]`, of grey values uint8 `[N, C, H, W]`."""
        device = next(self.model.parameters()).device
        blocks = torch.from_numpy(pixels).split(self.BLOCK)
        return torch.cat([self(scale(block.to(device))).cpu() for block in blocks]).numpy()


@torch.inference_mode()
def confusion_now(model: nn.Module, pixels: np.ndarray, labels: np.ndarray, *, k: int) -> Tensor:
    """Return the confusion counts of a model in training, int64 `[k, k]`; it goes on as it was.

    pixels: grey values uint8 `[N, C, H, W]`; labels: int64 `[N]`, of k classes.
    """
    device = next(model.parameters()).device
    model.eval()  # no dropout, which draws no random number then
    blocks = torch.from_numpy(pixels).split(Predictor.BLOCK)
    found = torch.cat([model(scale(block.to(device))).argmax(dim=1).cpu() for block in blocks])
    model.train()
    return torch.bincount(torch.from_numpy(labels) * k + found, minlength=k**2).reshape(k, k)


def load_predictor(checkpoint: Path) -> Predictor:
    """Build a model again from its checkpoint; no code is unpickled.

    Raises DataError where it is damaged or holds more than tensors and plain values, and
    ConfigError where it names another class than the models of this program.
    """
    stored = read_checkpoint(checkpoint)
    made = stored["description"]
    component = Component("model", made["model"]["target"], made["model"]["arguments"])
    class_names = tuple(made["class_names"])
    channels, height, width = made["image_shape"]
    image_shape = (channels, height, width)
    model = component.build(image_shape=image_shape, num_classes=len(class_names))
    weights = {key.removeprefix("model."): value for key, value in stored["state_dict"].items()}
    model.load_state_dict(weights)
    return Predictor(model, loss=made["loss"], class_names=class_names, image_shape=image_shape)
