"""Writes a tracked model as one HTML page: pad, preparation and network, without a server."""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from src.config.plan import Loss
from src.errors import ConfigError
from src.figures.page import make_renderer
from src.inference.export import check_parity, write_new
from src.inference.recogniser import Recogniser
from src.models.ensemble import Ensemble
from src.models.probabilities import log_probabilities, scale
from src.pictures.reading import MAX_FILE_BYTES

HERE = Path(__file__).parent
PAD = HERE.parent / "page"
"""The app's pad, which is this page's too."""
LARGEST_DIFFERENCE = 0.05
"""Of a probability, because of half precision; a larger one makes the export an error."""
ACTIVATIONS: dict[str, nn.Module] = {
    "none": nn.Identity(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "tanh": nn.Tanh(),
    "silu": nn.SiLU(),
    "gelu": nn.GELU(),
}
"""What network.js computes, by its names there."""


@final
@dataclass
class _Dense:
    """A dense layer: weights float `[U, I]`, biases `[U]`, and the activation behind it."""

    weights: Tensor
    biases: Tensor
    activation: str = "none"

    def packed(self) -> dict[str, str]:
        """Return it in half precision, as text."""
        parts = {"weights": self.weights, "biases": self.biases}
        return {name: _half(value) for name, value in parts.items()} | {
            "activation": self.activation
        }

    def __call__(self, values: Tensor) -> Tensor:
        """Return what the page computes of values `[N, I]`: in half precision what is packed so."""
        weights, biases = self.weights.half().float(), self.biases.half().float()
        found: Tensor = ACTIVATIONS[self.activation](values @ weights.T + biases)
        return found


def export_page(recogniser: Recogniser, path: Path) -> str:
    """Write the page, which must not be there yet; return what was written, for people.

    Raises ConfigError where the file cannot be written, or the model has other than dense layers,
    and UserError where half precision makes other probabilities of it.
    """
    whole = recogniser.predictor.model
    members = [_layers(one) for one in (whole.members if isinstance(whole, Ensemble) else [whole])]
    got = _answers(recogniser, members)
    said = check_parity(recogniser, got, path, most=LARGEST_DIFFERENCE)
    content = _page(recogniser, members).encode()
    write_new(path, content)
    size = f"{len(content) / 1e6:.1f} MB"
    return f"{said}; {size}, opens in any browser without a server or network"


def _page(recogniser: Recogniser, members: list[list[_Dense]]) -> str:
    model = {
        "name": recogniser.run.name,
        "classes": list(recogniser.predictor.class_names),
        "loss": _loss(recogniser),
        "threshold": recogniser.threshold.value,
        "rule": recogniser.rule,
        "form": asdict(recogniser.calibration.form),
        "members": [[layer.packed() for layer in layers] for layers in members],
    }
    known = {
        "model": json.dumps(model).replace("<", "\\u003c"),  # no name ends the script
        "most_bytes": MAX_FILE_BYTES,
        "page_css": _read(PAD / "page.css"),
        "prepare_js": _read(HERE / "prepare.js"),
        "network_js": _read(HERE / "network.js"),
        **{f"pad_{kind}": _read(PAD / f"pad.{kind}") for kind in ("html", "css", "js")},
    }
    return make_renderer(HERE, filters={})("drawing.html.j2", known)


def _loss(recogniser: Recogniser) -> Loss:
    """Return what the networks were trained with, which says how logits become probabilities."""
    whole = recogniser.predictor.model
    return whole.loss if isinstance(whole, Ensemble) else recogniser.predictor.loss


@torch.inference_mode()
def _answers(recogniser: Recogniser, members: list[list[_Dense]]) -> np.ndarray:
    """Return the page's probabilities, float32 `[N, K]`, of the kept validation images."""
    shares = []
    for layers in members:
        values = scale(torch.from_numpy(recogniser.calibration.images.pixels)).flatten(1)
        for layer in layers:
            values = layer(values)
        shares.append(log_probabilities(values, _loss(recogniser)).exp())
    return np.asarray(torch.stack(shares).mean(dim=0))


def _in_order(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the parts of nested sequences as they compute: one that is there twice, twice."""
    if type(model) is nn.Sequential:
        for part in model:
            yield from _in_order(part)
    else:
        yield model


def _layers(model: nn.Module) -> list[_Dense]:
    """Return the dense layers, each batch norm as a part of the one before it.

    Raises ConfigError where there is anything that the page would not compute.
    """
    layers: list[_Dense] = []
    for part in _in_order(model):
        is_open = bool(layers) and layers[-1].activation == "none"
        if isinstance(part, nn.Linear):
            biases = part.weight.new_zeros(len(part.weight)) if part.bias is None else part.bias
            layers.append(_Dense(part.weight, biases))
        elif isinstance(part, nn.BatchNorm1d) and is_open and part.running_mean is not None:
            last, nothing = layers[-1], torch.zeros(1, part.num_features)
            factors = part(nothing + 1) - part(nothing)
            layers[-1] = _Dense(last.weights * factors.T, part(last.biases[None])[0])
        elif is_open and (name := _activation(part)):
            layers[-1].activation = name
        elif not isinstance(part, nn.Flatten | nn.Dropout | nn.Identity):
            behind = f" behind {layers[-1].activation}" if layers and not is_open else ""
            raise ConfigError(
                f"`export`: the model has {part}{behind}, which a page cannot compute; dense "
                "layers alone can be, each with a batch norm and an activation behind it; "
                "export=digits.onnx takes any model"
            )
    return layers


def _activation(part: nn.Module) -> str:
    """Return the page's name of an activation; "" where the page computes another, or none."""
    probe = torch.linspace(-4, 4, 81)
    alike = {name: known for name, known in ACTIVATIONS.items() if type(known) is type(part)}
    same = (name for name, known in alike.items() if known(probe).equal(part(probe.clone())))
    return next(same, "")


def _half(values: Tensor) -> str:
    halves = values.detach().cpu().numpy().astype("<f2")
    return base64.b64encode(np.ascontiguousarray(halves).tobytes()).decode()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
