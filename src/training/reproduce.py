"""A finished run trained once more, and whether it came out the same."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from src.config.plan import Plan, make_plan
from src.config.settings import MOVABLE, WITHOUT_EFFECT, flat, value_at
from src.errors import ConfigError
from src.tracking.queries import StoredRun, StoredRuns
from src.training.result import CURVES

TOLERANCE = 1e-3
"""Largest difference of a probability that passes for rounding; another seed differs by 0.5."""

MAY_MOVE = MOVABLE | {"trainer.accelerator"}
"""What may be elsewhere where a run is trained on or again."""

SPLITS = ("validation", "test")
CAUSES = {
    "digest.data": "the images",
    "digest.split": "the split",
    "mlflow.source.git.commit": "the commit",
    "hardware.processor": "the processor",
    "hardware.cores": "the number of cores",
    "hardware.device": "the device",
}
"""Tags whose difference may make another result, in words; versions come beside them."""


@final
@dataclass(frozen=True)
class Reproduction:
    """How a run compares with the one it repeats.

    differences: in numbers, empty where identical. causes: what was recorded otherwise.
    """

    verdict: Literal["identical", "within tolerance", "different"]
    differences: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """What is kept on the new run."""
        said: dict[str, str] = {"reproduction": self.verdict}
        if self.differences:
            said["reproduction.differences"] = "; ".join(self.differences)
            said["reproduction.causes"] = "; ".join(self.causes)
        return said


ValuesSaid = Callable[[Mapping[str, str]], dict[str, Any]]
"""What the command line says of a run, by key, given the options chosen in that run."""


def as_kept(config: dict[str, Any], said: ValuesSaid, *, asked: str) -> dict[str, Any]:
    """Return the kept configuration of a run, with the new places of what has moved.

    asked: how the run was named, for the error. Raises ConfigError where it has other values.
    """
    choices = config["choices"]
    problems = []
    for key, value in said(choices).items():
        before = choices[key] if key in choices else value_at(config, key)
        group, _, name = key.partition(".")
        if key in MAY_MOVE:
            config = {**config, group: {**config[group], name: value}}
        elif value not in (before, "auto"):  # which the run keeps as what it was there
            problems.append(
                f"`{key}={value}`: cannot be changed, {asked} a run that has {before}; leave it "
                "out, or start a new run"
            )
    if problems:
        raise ConfigError(*problems)
    return config


def plan_again(stored: StoredRuns, named: str, *, said: ValuesSaid) -> tuple[Plan, StoredRun]:
    """Return the plan of a finished run, to be trained under a name of its own, and the run.

    Raises ConfigError where there is no such run, where it has other values than are said, or where
    its configuration is of another version.
    """
    old = stored.find(named, key="reproduce")
    if "ensemble.members" in old.tags:
        raise ConfigError(
            f"`reproduce`={named}: is the mean of the runs {old.tags['ensemble.members']}; "
            "reproduce one of those"
        )
    with tempfile.TemporaryDirectory() as draft:
        config = stored.config(old.id, Path(draft))
    config = as_kept(config, said, asked=f"reproduce={named} repeats")
    choices = config.pop("choices")
    config["tracking"] = stored.store.settings.model_dump(mode="json")
    try:
        plan = make_plan(config, choices=choices)
    except ConfigError as error:
        commit = old.tags.get("mlflow.source.git.commit", "of its time")
        raise ConfigError(
            f"`reproduce`={named}: this version of the program does not take the configuration of "
            f"that run; check out commit {commit[:10]}",
            *error.problems,
        ) from error
    return replace(plan, name=f"{old.name} reproduced"), old


def compare_runs(stored: StoredRuns, old: StoredRun, new: StoredRun) -> Reproduction:
    """Compare curves and predictions of two runs, and name what was otherwise."""
    differences: list[str] = []
    close = True
    if stored.curves(old.id, CURVES) != stored.curves(new.id, CURVES):
        differences.append("the learning curves differ")
    with tempfile.TemporaryDirectory() as draft:
        for split in SPLITS:
            if split == "test" and not (old.tested and new.tested):
                continue
            if split == "validation" and "best/val_accuracy" not in old.metrics:
                continue
            files = [
                np.load(stored.file(run.id, f"predictions/{split}.npz", Path(draft)))
                for run in (old, new)
            ]
            said, within = _differences(split, *files)
            differences += said
            close = close and within
    if not differences:
        return Reproduction("identical", (), ())
    with tempfile.TemporaryDirectory() as draft:
        before, after = (_recorded(stored, run, Path(draft)) for run in (old, new))
    causes = tuple(_causes(before, after)) or (
        "nothing that was recorded: an operation without a fixed order, or a change to the code",
    )
    return Reproduction("within tolerance" if close else "different", tuple(differences), causes)


def _differences(
    split: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[list[str], bool]:
    """Return what differs in words, and whether it passes for rounding."""
    if not np.array_equal(old["labels"], new["labels"]):
        return [f"other {split} images"], False
    before, after = old["probabilities"], new["probabilities"]
    if np.array_equal(before, after):
        return [], True
    largest = float(np.abs(before - after).max())
    others = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    right = [float((p.argmax(axis=1) == old["labels"]).mean()) for p in (before, after)]
    return [
        f"{split}: accuracy {right[0]:.4f}, now {right[1]:.4f}; {others:,} of "
        f"{len(before):,} images classified otherwise; largest difference of a probability "
        f"{largest:.2g}"
    ], largest <= TOLERANCE


def _recorded(stored: StoredRuns, run: StoredRun, folder: Path) -> dict[str, str]:
    """Return what was recorded of a run that may make another result, by key."""
    config = {f"config.{k}": str(v) for k, v in flat(stored.config(run.id, folder))}
    own = {f"config.{key}" for key in WITHOUT_EFFECT} | {"config.resume"}
    config = {key: value for key, value in config.items() if key not in own}
    return {**config, **run.tags, **stored.environment(run, folder)}


def _causes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    keys = sorted({*before, *after})
    others = {k: k.partition(".")[2] for k in keys if k.startswith(("config.", "version."))}
    found = [
        f"{words}: {_shortened(before.get(key, 'unknown'))}, "
        f"now {_shortened(after.get(key, 'unknown'))}"
        for key, words in {**CAUSES, **others}.items()
        if key != "config.digest" and before.get(key) != after.get(key)
    ]
    both = {"then": before, "now": after}
    dirty = [when for when, recorded in both.items() if recorded.get("git.dirty") == "true"]
    if dirty:
        found.append(f"changes that were not committed ({', '.join(dirty)})")
    return found


def _shortened(value: str) -> str:
    """Return the beginning of a digest, other values as they are."""
    return value[:12] if len(value) >= 40 and value.isalnum() else value
