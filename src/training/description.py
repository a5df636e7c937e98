"""A training in the words of its run: parameters, data, tags."""

from typing import Any

import torch

from src.config.plan import Plan
from src.data.source import Dataset
from src.tracking.runs import DataDescription
from src.training.fit import find_device
from src.training.result import Score


def describe_params(plan: Plan) -> dict[str, object]:
    """Return the chosen options and every hyperparameter, by dotted name."""
    params: dict[str, object] = {"seed": plan.seed, "model.loss": plan.loss, **plan.choices}
    for component in (plan.data, plan.model, plan.optimizer, plan.scheduler):
        params |= {f"{component.kind}.{k}": v for k, v in component.arguments.items()}
    for group in ("regularization", "trainer"):
        params |= {f"{group}.{k}": v for k, v in plan.config[group].items()}
    return params


def kept_config(plan: Plan) -> dict[str, Any]:
    """Return the configuration without what belongs to one call only, as where the store is.

    The address of a store may hold a password.
    """
    passing = {"tracking", "resume", "reproduce"}
    lasting = {key: value for key, value in plan.config.items() if key not in passing}
    return {"choices": plan.choices, **lasting, "seed": plan.seed, "name": plan.name}


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


def describe_device(accelerator: str) -> str:
    """Return the device in words, a GPU by its name too: cuda (NVIDIA H100 80GB HBM3)."""
    kind = find_device(accelerator)
    return f"{kind} ({torch.cuda.get_device_name()})" if kind == "cuda" else kind


def describe_images(plan: Plan, dataset: Dataset) -> str:
    """Return the data as a sentence in Markdown."""
    shape = " x ".join(str(side) for side in dataset.train.pixels.shape[1:])
    notes = "".join(f"\n- {note}" for note in dataset.notes)
    return (
        f"**{plan.choices['data']}**: {len(dataset.train):,} images to train, "
        f"{len(dataset.validation):,} to validate, {shape} pixels, "
        f"{len(dataset.class_names)} classes.{notes}"
    )


def describe_result(validation: Score, test: Score | None, *, kept: str) -> str:
    """Return what a training reached as a table in Markdown, and where its pictures are.

    kept: the epoch whose weights were scored, in words.
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
            "Pictures: Artifacts, `figures/`. The same names on every run.",
        ]
    )
