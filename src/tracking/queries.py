"""Reads runs back: words and numbers, curves, files, and who looked at the test images."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import yaml
from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType

from src.errors import ConfigError, nearest
from src.tracking.connection import Store, all_runs, living_run
from src.tracking.runs import existing_run
from src.tracking.series import CURVE

CHECKPOINT = "checkpoint/best.ckpt"
PAGE = 25
"""Runs that are asked for at once."""
WITH_MODEL = "attributes.status = 'FINISHED' and metrics.`model/parameters` > 0"
"""Trainings, whether by themselves or in a sweep; a sweep's own run has no model."""
VALIDATED = "best/val_accuracy"
"""Metric by which the best is chosen; a run that was trained on every row has none."""
SPLIT = "comparison.split"
"""Tag of runs that a comparison has trained on other splits, which do not stand for themselves."""
REFITTED, REFITTED_FROM = "validation.accuracy", "validation.run"
"""Tags of a run that a search trained on every row: accuracy and id of the search's winner, whose
validation images its threshold is chosen by."""


@final
@dataclass(frozen=True)
class StoredRun:
    """A run as the store remembers it; started is in milliseconds since 1970."""

    id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    model_id: str | None
    """Of its exported model, None where it has none."""
    channels: int = 1
    """Of the images it was trained on."""

    @property
    def tested(self) -> bool:
        """Whether its predictions of the test images are there."""
        return "test/accuracy" in self.metrics

    @property
    def unfit(self) -> str:
        """Why its model cannot answer for pictures, for people; empty where it can."""
        if VALIDATED not in self.metrics and REFITTED not in self.tags:
            return (
                "was trained on every row, so that no validation images tell from what probability "
                "on its answers are right; choose a run that kept some"
            )
        if self.channels != 1:
            return (
                f"was trained on images of {self.channels} channels; pictures and "
                "tables are answered in grey; choose a model of grey images"
            )
        return ""

    @property
    def data(self) -> str:
        """What it was trained on, for people: the data source, and its file where it has one."""
        return " ".join(filter(None, (self.tags["data"], self.params.get("data.path"))))


@final
@dataclass(frozen=True)
class TestSetUsage:
    """How often models were scored on the same test images, and by how many runs.

    challenges: how many comparisons on them decided on a champion.
    """

    looks: int
    runs: int
    challenges: int


@final
class StoredRuns:
    """The runs of one experiment in a store, as they were when they were first asked for."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def all(self) -> list[StoredRun]:
        """All runs, the newest first; of a large store, this takes seconds."""
        here = [self.store.experiment_id]
        return [_stored(run) for run in all_runs(self.store.client, experiments=here)]

    def newest(self, most: int, *, data: str = "%") -> list[StoredRun]:
        """Return the newest finished trainings, `most` at the most; data: pattern of its name.

        Only those that can answer for pictures, and stand for themselves.
        """
        found: list[StoredRun] = []
        token: str | None = ""
        while token is not None and len(found) < most:
            page = self.store.client.search_runs(
                [self.store.experiment_id],
                f"{WITH_MODEL} and tags.data LIKE '{data}'",
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += [r for r in map(_stored, page) if not r.unfit and SPLIT not in r.tags]
            token = page.token or None
        return found[:most]

    @property
    def finished(self) -> list[StoredRun]:
        """The finished trainings, the newest first: no sweeps and no comparisons."""
        return [r for r in self.all if r.status == "FINISHED" and is_training(r)]

    def find(self, named: str, *, key: str) -> StoredRun:
        """Return the finished training with this id, beginning of an id, or name.

        key: of the configuration, for the error. Raises ConfigError where there is not one.
        """
        matches = [r for r in self.all if r.id == named] or [
            r for r in self.all if r.name == named or (named and r.id.startswith(named))
        ]
        matches = [r for r in matches if r.status == "FINISHED"] or matches
        if not matches:
            known = self.finished
            some = ", ".join(f"{r.id[:8]} ({r.name})" for r in known[:3])
            hint = nearest(named, [r.name for r in known]) or (
                f"; choose for instance {some}" if some else "; train first: python -m src.train"
            )
            raise ConfigError(
                f"`{key}`={named}: no run of experiment {self.store.experiment!r} has this id "
                f"or name{hint}"
            )
        if len(matches) > 1:
            ids = ", ".join(r.id[:8] for r in matches)
            raise ConfigError(
                f"`{key}`={named}: is the name or beginning of several runs; give an id: {ids}"
            )
        [run] = matches
        if not is_training(run):
            what = "sweep" if "sweep" in run.tags else "comparison"
            raise ConfigError(f"`{key}`={named}: is a {what}, no training; name one of its runs")
        if run.status != "FINISHED":
            raise ConfigError(f"`{key}`={named}: is {run.status}; only a finished run has a result")
        return run

    def get(self, run_id: str) -> StoredRun:
        """Return a run as it is now; raises RunGone where it was deleted."""
        return _stored(living_run(self.store.client, run_id))

    def curves(self, run_id: str, keys: tuple[str, ...]) -> dict[str, list[float]]:
        """Return the values of each metric, epoch by epoch from 1."""
        return {
            key: [
                metric.value
                for metric in sorted(
                    self.store.client.get_metric_history(run_id, CURVE + key),
                    key=lambda m: m.step,
                )
            ]
            for key in keys
        }

    def config(self, run_id: str, folder: Path) -> dict[str, Any]:
        """Return the configuration that a run was made with; folder: to put its file into."""
        return yaml.safe_load(self.file(run_id, "config.yaml", folder).read_text(encoding="utf-8"))

    def environment(self, run: StoredRun, folder: Path) -> dict[str, str]:
        """Return where and with what a run was made; folder: to put its file into."""
        return json.loads(self.file(run.id, "environment.json", folder).read_text(encoding="utf-8"))

    def file(self, run_id: str, artifact: str, folder: Path) -> Path:
        """Copy an artifact into a folder, below the run's id, and return its path there.

        Raises TrackingError where it cannot be had.
        """
        target = folder / run_id
        target.mkdir(parents=True, exist_ok=True)
        return existing_run(self.store, run_id).fetch(artifact, target)

    def looks(self, test_digest: str) -> TestSetUsage:
        """Count the looks at test images, in all experiments and of deleted runs too."""
        query = f"tags.`digest.test` = '{test_digest}'"
        found = all_runs(self.store.client, query, view=ViewType.ALL)
        using = [_stored(run) for run in found]
        looked = [int(run.tags["test.looks"]) for run in using if "test.looks" in run.tags]
        challenges = sum({"comparison", "promotion.decision"} <= run.tags.keys() for run in using)
        return TestSetUsage(sum(looked), len(looked), challenges)


def is_training(run: StoredRun) -> bool:
    """Whether a run trained a model, unlike a sweep's or a comparison's own run."""
    return "model" in run.tags and "digest.split" in run.tags


def _stored(run: MlflowRun) -> StoredRun:
    outputs = run.outputs.model_outputs if run.outputs else []
    inputs = run.inputs.dataset_inputs if run.inputs else []
    profiles = [data.dataset.profile or "" for data in inputs]
    shapes = [json.loads(text)["image_shape"] for text in profiles if '"image_shape"' in text]
    return StoredRun(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        started=run.info.start_time,
        params=run.data.params,
        tags=run.data.tags,
        metrics=run.data.metrics,
        model_id=outputs[-1].model_id if outputs else None,
        channels=shapes[0][0] if shapes else 1,
    )
