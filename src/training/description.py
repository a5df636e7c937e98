"""A training in the words of its run: name, parameters, data, tags."""

import inspect
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel

from src.config.plan import Component, Plan
from src.config.settings import IGNORED_IN_DIGEST, flat
from src.data.source import Dataset
from src.tracking.runs import DataDescription
from src.training.result import Score

USUAL = {"data": "mnist_20k", "optimizer": "adamw", "scheduler": "one_cycle"}
"""Options of conf/base.yaml that go without saying, in names too."""
ALWAYS = {
    **dict.fromkeys(("data", "model", "model.hidden_sizes", "optimizer"), ""),
    "optimizer.lr": "lr",
    "optimizer.weight_decay": "decay",
    "regularization.dropout": "dropout",
    "regularization.augmentation": "augment",
    "trainer.batch_size": "batch",
    "trainer.max_epochs": "epochs",
}
"""What runs are compared by, at its default too, and its word in a name."""
MAX_NAME = 80
"""Characters of a configuration in a name; what is left out are the last of its words."""


def run_name(
    plan: Plan, *, trial: int | None = None, confirmation: tuple[int, int] | None = None
) -> str:
    """Return a name that says what differs: `dnn 512-512 augment s2`.

    trial: number of a trial, whose name says what was searched: `#008 328 lr 0.008`.
    confirmation: which fresh seed of how many, of the trial that the plan is named after:
    `#008 seed 2/3`.
    """
    if confirmation is not None:
        number, total = confirmation
        return f"{str(plan.name).split(' ')[0]} seed {number}/{total}"
    if trial is not None:
        searched = [key for key, _, _ in _values(plan) if key in plan.searched]
        return " ".join([f"#{trial:03}", *_words(plan, searched)])
    return f"{configuration_words(plan)} s{plan.seed}"


def as_trial(plan: Plan, number: int, *, searched: Iterable[str]) -> Plan:
    """Return the plan as that of a trial, named after what was searched: keys of the space."""
    trial = replace(plan, searched=tuple(searched))
    return replace(trial, name=run_name(trial, trial=number))


def configuration_words(plan: Plan) -> str:
    """Return what is trained, and where it differs from what is usual: `dnn 512-512 augment`."""
    said = ["model", "model.hidden_sizes"]
    said += [
        key
        for key, value, default in _values(plan)
        if value not in (default, None) and key not in said
    ]
    words = list(_words(plan, said))
    lengths = accumulate(len(word) + 1 for word in words)
    return " ".join(w for w, length in zip(words, lengths, strict=True) if length <= MAX_NAME)


def describe_params(plan: Plan) -> dict[str, object]:
    """Return what a person or a search chooses, by dotted name: none that is off or as usual.

    Hidden sizes are there as numbers too, which a chart has axes for: `layers`, `hidden_units`.
    """
    params: dict[str, object] = {
        key: value
        for key, value, default in _values(plan)
        if value is not None
        and (value != default or key in {*ALWAYS, *plan.searched} or _is_size(key, value))
    }
    sizes = plan.model.arguments.get("hidden_sizes")
    if isinstance(sizes, list):
        params |= {"layers": len(sizes), "hidden_units": sum(sizes)}
    return {**params, "seed": plan.seed}


def _is_size(key: str, value: Any) -> bool:
    """Tell whether it is a number of a model, such as the width of one of the user's own."""
    return key.startswith("model.") and type(value) in (int, float, list)


def _values(plan: Plan) -> Iterator[tuple[str, Any, Any]]:
    """Yield options and hyperparameters that the model has, each once, with what is usual.

    A value that the model has taken over from the regularization is one of the regularization.
    """
    yield from _of_component(plan, plan.model)
    yield "model.loss", plan.loss, "softmax"
    if "regularization" in plan.searched:
        yield "regularization", plan.choices["regularization"], None
    lacking = {"dropout", "input_dropout"} - plan.model.arguments.keys()
    yield from _of_settings(plan, plan.regularization, "regularization", but=lacking)
    for component in (plan.optimizer, plan.scheduler):
        yield from _of_component(plan, component)
    yield from _of_settings(plan, plan.trainer, "trainer")
    yield from _of_component(plan, plan.data)


def _of_component(plan: Plan, component: Component) -> Iterator[tuple[str, Any, Any]]:
    kind = component.kind
    yield kind, plan.choices[kind], USUAL.get(kind)
    for name, value in component.arguments.items():
        key = f"{kind}.{name}"
        thousands = f"_{value / 1000:g}k" if name == "rows" and value else None
        said_by_name = thousands is not None and plan.choices[kind].endswith(thousands)
        follows_seed = kind == "data" and name.endswith("seed") and value == plan.seed
        taken_over = kind == "model" and plan.config["regularization"].get(name, ...) == value
        unseen = key in IGNORED_IN_DIGEST and key != "data.path"
        if not (said_by_name or follows_seed or taken_over or unseen):
            yield key, value, _default(component, name)


def _default(component: Component, name: str) -> Any:
    """Return what an argument is where nothing is said, None where it has to be given."""
    found = inspect.signature(resolve_name(component.target)).parameters.get(name)
    return None if found is None or found.default is found.empty else found.default


def _of_settings(
    plan: Plan, settings: BaseModel, group: str, *, but: Collection[str] = ()
) -> Iterator[tuple[str, Any, Any]]:
    for name, field in type(settings).model_fields.items():
        key = f"{group}.{name}"
        if name not in but and key not in IGNORED_IN_DIGEST:
            yield key, plan.config[group].get(name, field.default), field.default


def _words(plan: Plan, keys: list[str]) -> Iterator[str]:
    """Yield a few characters for each value."""
    values = {key: value for key, value, _ in _values(plan)}
    for key in keys:
        value = values.get(key)
        name = ALWAYS.get(key) or key.rpartition(".")[2].replace("_", " ")
        if key == "data.path":
            yield Path(str(value)).stem
        elif isinstance(value, list | tuple):
            yield "-".join(map(str, value))
        elif isinstance(value, bool):
            yield name if value else f"no {name}"
        elif isinstance(value, int | float):
            number = f"{value:.3g}" if isinstance(value, float) else str(value)
            yield name if (name, number) == ("augment", "1") else f"{name} {number}"
        elif value is not None:
            yield str(value)


def kept_config(plan: Plan) -> dict[str, Any]:
    """Return the configuration without what belongs to one call only, as where the store is.

    The address of a store may hold a password.
    """
    passing = {"tracking", "resume", "reproduce"}
    lasting = {key: value for key, value in plan.config.items() if key not in passing}
    return {"choices": plan.choices, **lasting, "seed": plan.seed, "name": plan.name}


def config_digest(plan: Plan) -> str:
    """Return the SHA-256 of all that makes another configuration; a seed does not."""
    config = dict(flat(kept_config(plan)))
    left_out = {"seed", "name", *IGNORED_IN_DIGEST}
    lasting = {k: v for k, v in config.items() if k not in left_out and k[:8] != "choices."}
    return sha256(json.dumps(lasting, sort_keys=True, default=str).encode()).hexdigest()


def describe_data(plan: Plan, dataset: Dataset) -> DataDescription:
    """Return the data for the run's dataset input."""
    return DataDescription(
        name=plan.choices["data"],
        digest=dataset.data_digest,
        source=str(plan.data.arguments.get("path") or plan.data.target),
        profile={
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "image_shape": list(dataset.train.pixels.shape[1:]),
            "classes": len(dataset.class_names),
            **({"notes": list(dataset.notes)} if dataset.notes else {}),
        },
    )


def describe_configuration(plan: Plan, *, trial: bool) -> dict[str, str]:
    """Return the tags that tell configurations apart: exactly, and for people.

    Not in words for a trial of a search, each of which is another one.
    """
    exact = {"model": plan.choices["model"], "config.digest": config_digest(plan)}
    return exact if trial else {"configuration": configuration_words(plan), **exact}


def data_tags(plan: Plan, dataset: Dataset, *, test: str | None = None) -> dict[str, str]:
    """Return the tags that say on which images a run worked.

    test: digest of test images in a file of their own, which the digest of the split leaves out.
    """
    return {
        "data": plan.choices["data"],
        "digest.data": dataset.data_digest,
        "digest.split": dataset.split_digest,
        **({"digest.test": test} if test else {}),
    }


def describe_images(plan: Plan, dataset: Dataset) -> str:
    """Return the data as a sentence in Markdown."""
    shape = " x ".join(str(side) for side in dataset.train.pixels.shape[1:])
    notes = "".join(f"\n- {note}" for note in dataset.notes)
    return (
        f"**{plan.choices['data']}**: {len(dataset.train):,} images to train, "
        f"{len(dataset.validation):,} to validate, {shape} pixels, "
        f"{len(dataset.class_names)} classes.{notes}"
    )


def describe_result(
    validation: Score | None, test: Score | None, *, kept: str, pictures: str
) -> str:
    """Return what a training reached as a table in Markdown, and where its pictures are.

    kept: the epoch whose weights were scored, in words; pictures: these words.
    """
    rows = [
        f"| {name} | {s.accuracy:.4f} | {s.low:.4f} to {s.high:.4f} | {s.log_loss:.4f} |"
        for name, s in (("validation", validation), ("test", test))
        if s is not None
    ]
    return "\n".join(
        [
            f"| {kept} | accuracy | 95 % interval | log loss |",
            "|---|---|---|---|",
            *rows,
            "",
            pictures,
        ]
    )
