"""Groups of values that belong to the program itself, with their ranges."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, final
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from src.config.types import Flag, NonNegative, Positive, PositiveInt, Probability
from src.process.environment import set_variables

MOVABLE = frozenset({"data.path", "data.test_path", "data.cache_dir"})
"""Where images are; which they are, the digests of a run say."""

WITHOUT_EFFECT = MOVABLE | {
    "name",
    "test",
    "tracking.enabled",
    "tracking.folder",
    "tracking.uri",
    "tracking.experiment",
    "trainer.steps_per_execution",
}
"""Settings that change no number of a training on the same images."""

OF_THE_MACHINE = frozenset({"trainer.threads", "trainer.accelerator"})
"""Settings that change numbers by rounding alone, and have to follow the machine."""

IGNORED_IN_DIGEST = WITHOUT_EFFECT | OF_THE_MACHINE
"""Settings in which trainings of one configuration, and the sessions of one sweep, may differ."""


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key, None where there is none."""
    name, _, rest = key.partition(".")
    value = config.get(name)
    return value_at(value, rest) if rest and isinstance(value, Mapping) else value


def flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested mappings with its dotted key."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Regularization(_Settings):
    """What keeps a model from learning its training images by heart; 0 or None is off.

    l1, l2: factors of the sum of |w| and of w squared over all weights, biases exempt; added to
    the loss of every minibatch. augmentation, thickness: see src/data/augmentation.py, of every
    minibatch. patience: epochs without a better validation accuracy.
    """

    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
    dropout: Probability = 0.0
    input_dropout: Probability = 0.0
    label_smoothing: Probability = 0.0
    augmentation: Annotated[float, Field(ge=0, le=2, strict=True)] = 0.0
    thickness: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.0
    patience: PositiveInt | None = None


@final
class Trainer(_Settings):
    """How long to train, on what, and how many images at a time.

    steps_per_epoch: minibatches after which to validate; None: once through the training images.
    loss_reduction: of the losses of a minibatch, before gradients are clipped.
    select: the epoch whose weights are kept and scored: the best on the validation images, or the
    last.
    precision: of the products in a training's layers; weights, losses and all scoring are float32.
    auto is bfloat16 for a net with a wide layer on a processor that multiplies such numbers.
    """

    max_epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    steps_per_epoch: PositiveInt | None = None
    loss_reduction: Literal["mean", "sum"] = "mean"
    select: Literal["best", "last"] = "best"
    steps_per_execution: PositiveInt = 32
    gradient_clip_norm: Positive | None = None
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    threads: PositiveInt | None = None


@final
class Tracking(_Settings):
    """Where runs are remembered."""

    enabled: Flag = True
    folder: Path = Path("mlruns")
    uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] = "digits"


@final
class Explore(_Settings):
    """What to look at before any model, and where the pictures go.

    pixel: column of the table to describe; None: 72 as in the exercise, or the middle of a smaller
    image.
    """

    pixel: PositiveInt | None = None
    folder: Path = Path("mlruns/explore")


ADDRESSES = {"tracking", "tracking.uri", "storage"}
"""Keys that hold the address of a store, one by mistake."""


def take_credentials(uri: str) -> str:
    """Return the address of a server without its password, which goes where its client looks.

    That is the environment variables of MLflow, which take the user too, and of PostgreSQL's libpq;
    nothing that is printed, logged or kept can then hold it.
    What stands before the address, and text that is none, is left as it is.
    """
    found = re.fullmatch(r"(.*?https?://)(.*)@(.*)", uri, flags=re.DOTALL)
    if found is not None:
        user, colon, password = found[2].partition(":")
        set_variables({"MLFLOW_TRACKING_USERNAME": unquote(user)})
        if colon:
            set_variables({"MLFLOW_TRACKING_PASSWORD": unquote(password)})
        return found[1] + found[3]
    found = re.fullmatch(r"(.*?postgresql(?:\+\w+)?://[^:/@]*):(.*)(@.*)", uri, flags=re.DOTALL)
    if found is not None:
        set_variables({"PGPASSWORD": unquote(found[2])})
        return found[1] + found[3]
    return uri


def hide_credentials(arguments: list[str]) -> list[str]:
    """Return a command line with the addresses of stores as `take_credentials` leaves them."""
    split = [argument.partition("=") for argument in arguments]
    return [
        f"{key}={take_credentials(value)}"
        if key.lstrip("+") in ADDRESSES
        else f"{key}{equals}{value}"
        for key, equals, value in split
    ]


@final
class ModelSelection(_Settings):
    """Which tracked model: the run with this id; None: the champion, else the newest."""

    run: str | None = None


@final
class Predict(_Settings):
    """What to do with pictures and tables, and how to say it.

    format: kaggle is ImageId and Label of each row of a table.
    threshold: the least probability of an answer; None: chosen on the validation images. export:
    the ONNX file, or the HTML page, to write.
    """

    format: Literal["table", "json", "csv", "kaggle"] = "table"
    explain: Flag = False
    threshold: Probability | None = None
    export: Path | None = None


@final
class TableReading(_Settings):
    """How a table to answer is read; None: as that of the training images, or as it is found."""

    label: int | str | None = None
    max_value: Positive | PositiveInt | None = None
    transpose: Flag | None = None


@final
class App(_Settings):
    """Where the page is served; port None: the first free one from 7860."""

    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    open_browser: Flag = False


def without_password(uri: str) -> str:
    """Return the address without user name, password, and what follows a question mark.

    A password may hold any sign, a slash or another @ too: all up to the last @ is left out.
    """
    scheme, separator, rest = uri.partition("://")
    if scheme.startswith("sqlite") or not separator:
        return uri
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
