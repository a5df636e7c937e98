"""The saved views of the MLflow UI: which runs, which columns, in which order."""

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment

KEY = "mlflow.sharedViewState."
"""Begins the experiment's tags in which the UI keeps its views."""

FIXED = {"0": 73, "attributes.`Run Name`": 250, "runDateAndNestInfo": 140}
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
            "metrics.`best/val_accuracy`": 125,
            "tags.`verdict`": 110,
            "metrics.`confirmed/mean`": 115,
            "tags.`best_trial`": 80,
            "tags.`budget`": 120,
            "metrics.`seconds/wall`": 90,
            "tags.`stop_reason`": 200,
        },
    },
    "Seeds": {
        "searchFilter": "tags.configuration LIKE '%'",
        "orderByKey": "metrics.`best/val_accuracy`",
        "groupBy": "configuration",
        "widths": {
            "metrics.`best/val_accuracy`": 125,
            "metrics.`test/accuracy`": 105,
            "metrics.`seconds/training`": 90,
            "params.`seed`": 60,
        },
    },
}
"""By name: a filter, what is sorted by, the tag that runs are grouped by, columns and their width
in pixels, where the first are what a window of 1,440 pixels shows."""


def view_tags() -> dict[str, str]:
    """Return the tags of an experiment that has the views."""
    return {KEY + name.lower(): _encoded(name) for name in VIEWS}


def mend_views(client: MlflowClient, experiment: Experiment) -> None:
    """Give the experiment the views that it lacks; one that a person has changed stays."""
    for key, view in view_tags().items():
        if key not in experiment.tags:
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
        "selectedColumns": [*view["widths"]],
        "columnOrder": [*widths],
        "columnWidths": widths,
        "runsHiddenMode": "FIRST_10_RUNS",
        "groupBy": grouped if group else None,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
    }
    packed = b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})
