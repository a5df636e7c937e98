"""A trained model as it is used and exported: images in, class probabilities out."""

from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from src.config.plan import Component, Loss
from src.models.checkpoints import read_checkpoint
from src.models.probabilities import log_probabilities, scale


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
        self._loss: Loss = loss
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return probabilities `[N, K]`."""
        return log_probabilities(self.model(images), self._loss).exp()

    @torch.inference_mode()
    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Return probabilities, float32 `[N, K]`, of grey values uint8 `[N, C, H, W]`."""
        device = next(self.model.parameters()).device
        blocks = torch.from_numpy(pixels).split(self.BLOCK)
        return torch.cat([self(scale(block.to(device))).cpu() for block in blocks]).numpy()


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
