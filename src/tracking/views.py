"""The saved views of the MLflow UI: which runs, which columns, in which order."""

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment

from src.tracking.series import CONFUSION, CURVE, WEIGHTS

KEY = "mlflow.sharedViewState."
"""Begins the experiment's tags in which the UI keeps its views."""

MADE_HERE = '"updatedAt": 0'
"""In a view that is as this program has written it."""

FIXED = {"0": 73, "attributes.`Run Name`": 250, "runDateAndNestInfo": 150}
"""Columns that are always there, with their width in pixels: a box to tick, name, date."""

VIEWS: Mapping[str, Mapping[str, Any]] = {
    "Runs": {
        "searchFilter": "tags.model LIKE '%'",
        "orderByKey": "metrics.`best/val_accuracy`",
        "widths": {
            "metrics.`best/val_accuracy`": 135,
            "metrics.`test/accuracy`": 110,
            "params.`model`": 65,
            "metrics.`seconds/training`": 130,
            "tags.`outcome`": 95,
            "params.`model.hidden_sizes`": 135,
            "params.`optimizer.lr`": 95,
            "params.`regularization.dropout`": 165,
            "params.`trainer.batch_size`": 140,
            "params.`seed`": 60,
        },
    },
    "Sweeps": {
        "searchFilter": "tags.`mlflow.source.name` = 'src.sweep'",
        "orderByKey": "attributes.start_time",
        "widths": {
            "attributes.`Run Name`": 160,
            "metrics.`best/val_accuracy`": 135,
            "tags.`verdict`": 95,
            "metrics.`confirmed/mean`": 130,
            "tags.`best_trial`": 85,
            "tags.`budget`": 115,
            "metrics.`trials/pruned`": 105,
            "metrics.`trials/fail`": 85,
            "metrics.`seconds/wall`": 110,
            "tags.`outcome`": 90,
            "tags.`stop_reason`": 260,
        },
    },
    "Seeds": {
        "searchFilter": "tags.configuration LIKE '%'",
        "orderByKey": "metrics.`best/val_accuracy`",
        "groupBy": "configuration",
        "widths": {
            "attributes.`Run Name`": 400,
            "metrics.`best/val_accuracy`": 165,
            "metrics.`test/accuracy`": 165,
            "metrics.`seconds/training`": 165,
        },
    },
}
"""By name: a filter, what is sorted by, the tag that runs are grouped by, columns and their width
in pixels, where the first are what a window of 1,440 pixels shows."""

AXES = ["hidden_units", "layers", "optimizer.lr", "regularization.dropout", "trainer.batch_size"]
CHARTS: Mapping[tuple[str, int, int], Sequence[Mapping[str, Any]]] = {
    ("hyperparameters", 1, 320): [
        {"type": "PARALLEL", "selectedParams": AXES, "selectedMetrics": ["best/val_accuracy"]}
    ],
    (CURVE.rstrip("/"), 3, 300): [
        {"type": "LINE", "metricKey": CURVE + key, "lineSmoothness": 0}
        | {"useGlobalLineSmoothing": False, "useGlobalXaxisKey": True}
        for key in ("val_accuracy", "val_loss", "train_accuracy", "train_loss", "lr")
    ],
    ("pictures", 2, 360): [  # at a step that nearly every run has, and has learned something at
        {"type": "IMAGE", "imageKeys": [key], "step": step, "showRunParams": False}
        for key, step in ((WEIGHTS, 30), (CONFUSION, 1))
    ],
}
"""Of the chart mode, by section, cards in a row and their height in pixels; the UI adds sections of
its own for the other metrics."""


def view_tags() -> dict[str, str]:
    """Return the tags of an experiment that has the views."""
    return {KEY + name.lower(): _encoded(name) for name in VIEWS}


def mend_views(client: MlflowClient, experiment: Experiment) -> None:
    """Give the experiment the views as they are now; one that a person has changed stays."""
    for key, view in view_tags().items():
        kept = experiment.tags.get(key, MADE_HERE)
        if MADE_HERE in kept and kept != view:
            client.set_experiment_tag(experiment.experiment_id, key, view)


def view_address(experiment_id: str, name: str) -> str:
    """Return where the UI shows a view, below the address of its server."""
    mode = "workflowType=machine_learning"
    return f"#/experiments/{experiment_id}/runs?{mode}&viewStateShareKey={name.lower()}"


def _encoded(name: str) -> str:
    """Return a view as the UI itself writes one, MLflow 3.17."""
    view = VIEWS[name]
    group, widths = view.get("groupBy"), {**FIXED, **view["widths"]}
    keys = [{"mode": "tag", "groupByData": group}]
    grouped = {"aggregateFunction": "average", "groupByKeys": keys}
    state = {
        "searchFilter": view["searchFilter"],
        "orderByKey": view["orderByKey"],
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [key for key in view["widths"] if key not in FIXED],
        "columnOrder": [*widths],
        "columnWidths": widths,
        "runsHiddenMode": "FIRST_10_RUNS",
        "groupBy": grouped if group else None,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "isAccordionReordered": True,  # keeps the order of the sections
        **_charts(),
    }
    packed = b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


def _charts() -> dict[str, Any]:
    """Return sections and charts of the chart mode as the UI keeps them."""
    sections: list[dict[str, Any]] = []
    charts: list[dict[str, Any]] = []
    for (name, columns, height), some in CHARTS.items():
        sections.append({"uuid": name, "name": name, "display": True})
        sections[-1] |= {"columns": columns, "cardHeight": height}
        usual = {"metricSectionId": name, "runsCountToCompare": 10}
        charts += [{**usual, "uuid": f"{name} {n}", **chart} for n, chart in enumerate(some)]
    return {"compareRunSections": sections, "compareRunCharts": charts}
