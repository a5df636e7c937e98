"""Writes a tracked model as one HTML page: pad, preparation and network, without a server."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import Tensor, nn

from src.errors import ConfigError
from src.figures.page import make_renderer
from src.inference.recogniser import Recogniser
from src.models.ensemble import Ensemble
from src.pictures.reading import MAX_FILE_BYTES

HERE = Path(__file__).parent
PAD = HERE.parent / "page"
"""The app's pad, which is this page's too."""
ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.Tanh: "tanh",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
}


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


def export_page(recogniser: Recogniser, path: Path) -> str:
    """Write the page, which must not be there yet; return what was written, for people.

    Raises ConfigError where the file cannot be written, or the model has other than dense layers.
    """
    text = _page(recogniser)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"`export`={path}: is there already; choose another name") from error
    except OSError as error:
        raise ConfigError(f"`export`={path}: cannot be written ({error.strerror})") from error
    size = f"{len(text.encode()) / 1e6:.1f} MB"
    return f"{path}: written, {size}; open it in any browser, no server or network is needed"


def _page(recogniser: Recogniser) -> str:
    known = {
        "model": json.dumps(_model(recogniser)).replace("<", "\\u003c"),  # no name ends the script
        "most_bytes": MAX_FILE_BYTES,
        "page_css": _read(PAD / "page.css"),
        "prepare_js": _read(HERE / "prepare.js"),
        "network_js": _read(HERE / "network.js"),
        **{f"pad_{kind}": _read(PAD / f"pad.{kind}") for kind in ("html", "css", "js")},
    }
    return make_renderer(HERE, filters={})("drawing.html.j2", known)


def _model(recogniser: Recogniser) -> dict[str, Any]:
    """Return all that the page has to know of a model, as plain values."""
    predictor = recogniser.predictor
    whole = predictor.model
    members = list(whole.members) if isinstance(whole, Ensemble) else [whole]
    return {
        "name": recogniser.run.name,
        "classes": list(predictor.class_names),
        "loss": whole.loss if isinstance(whole, Ensemble) else predictor.loss,
        "threshold": recogniser.threshold.value,
        "rule": recogniser.rule,
        "form": recogniser.calibration.form.as_dict(),
        "members": [[layer.packed() for layer in _layers(member)] for member in members],
    }


def _layers(model: nn.Module) -> list[_Dense]:
    """Return the dense layers, each batch norm as a part of the one before it."""
    layers: list[_Dense] = []
    for module in model.modules():
        if isinstance(module, nn.Linear):
            biases = module.weight.new_zeros(len(module.weight))
            layers.append(_Dense(module.weight, biases if module.bias is None else module.bias))
        elif isinstance(module, nn.BatchNorm1d) and layers:
            mean, variance = dict(module.named_buffers())["running_mean"], module.running_var
            assert variance is not None
            factor = module.weight / (variance + module.eps).sqrt()
            layers[-1].weights = layers[-1].weights * factor[:, None]
            layers[-1].biases = (layers[-1].biases - mean) * factor + module.bias
        elif type(module) in ACTIVATIONS and layers:
            layers[-1].activation = ACTIVATIONS[type(module)]
        elif not isinstance(module, nn.Flatten | nn.Dropout | nn.Sequential):
            raise ConfigError(
                f"`export`: the model has {type(module).__name__}, which a page cannot compute; "
                "dense layers alone can be; export=digits.onnx takes any model"
            )
    return layers


def _half(values: Tensor) -> str:
    halves = values.detach().cpu().numpy().astype("<f2")
    return base64.b64encode(np.ascontiguousarray(halves).tobytes()).decode()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
