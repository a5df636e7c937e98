"""Several trained networks of one kind that answer together: the mean of their probabilities."""

from math import log
from typing import Any, final

import torch
from torch import Tensor, nn

from src.config.plan import Component, Loss
from src.config.types import ImageShape, PositiveInt
from src.models.probabilities import log_probabilities


@final
class Ensemble(nn.Module):
    """A model whose softmax is the mean of its members' probabilities.

    member: dotted name of what makes a member, with these arguments; members: how many of them.
    loss: what they were trained with, which says how their logits become probabilities.
    """

    def __init__(
        self,
        *,
        image_shape: ImageShape,
        num_classes: PositiveInt,
        member: str,
        arguments: dict[str, Any],
        members: PositiveInt,
        loss: Loss,
    ) -> None:
        super().__init__()
        kind = Component("model", member, arguments)
        built = [
            kind.build(image_shape=image_shape, num_classes=num_classes) for _ in range(members)
        ]
        self.members = nn.ModuleList(built)
        self.loss: Loss = loss

    def forward(self, images: Tensor) -> Tensor:
        """Return log probabilities `[N, num_classes]` of images `[N, C, H, W]`."""
        found = [log_probabilities(member(images), self.loss) for member in self.members]
        return torch.stack(found).logsumexp(dim=0) - log(len(found))


def join_checkpoints(checkpoints: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one checkpoint of an ensemble, made of those of its members."""
    made = checkpoints[0]["description"]
    arguments = {
        "member": made["model"]["target"],
        "arguments": made["model"]["arguments"],
        "members": len(checkpoints),
        "loss": made["loss"],
    }
    model = {"target": "src.models.ensemble.Ensemble", "arguments": arguments}
    return {
        "description": {**made, "model": model, "loss": "softmax"},
        "state_dict": {
            key.replace("model.", f"model.members.{number}.", 1): value
            for number, checkpoint in enumerate(checkpoints)
            for key, value in checkpoint["state_dict"].items()
        },
    }
