"""Starts runs, and finds those to go on with, to add to, or to end."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from uuid import uuid4

from mlflow.entities import Dataset, DatasetInput, InputTag, Param

from src.errors import ConfigError, DataError
from src.settings import Tracking
from src.tracking.run import MlflowRun, Run, UntrackedRun
from src.tracking.store import make_folder, open_store

MAX_DIGEST_LENGTH = 36
"""Longest dataset digest MLflow takes, in characters; the whole one is a tag."""

MAX_PARAM_LENGTH = 6000
"""Longest parameter value MLflow takes, in characters."""


@final
@dataclass(frozen=True)
class DataDescription:
    """The data a run trains on; digest is SHA-256 in hexadecimal, profile is free of form."""

    name: str
    digest: str
    source: str
    profile: Mapping[str, Any]


def start_run(
    settings: Tracking,
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    data: DataDescription,
    config: Mapping[str, Any],
) -> Run:
    """Start a run, or an untracked one where tracking is off.

    Raises TrackingError when the store cannot be used.
    """
    if not settings.enabled:
        run: Run = UntrackedRun(uuid4().hex, Path(tempfile.mkdtemp(prefix="untracked-")))
    else:
        store = open_store(settings)
        runs = make_folder(settings.folder.resolve() / "runs")
        created = store.client.create_run(store.experiment_id, run_name=name, tags=dict(tags))
        run_id = created.info.run_id
        run = MlflowRun(store, run_id, runs / run_id)
        run.hold()
        texts = {key: str(value)[:MAX_PARAM_LENGTH] for key, value in params.items()}
        store.client.log_batch(run_id, params=[Param(k, v) for k, v in texts.items()])
        store.client.log_inputs(run_id, [_dataset_input(data)])
        store.client.log_dict(run_id, dict(config), "config.yaml")
    run.folder.mkdir(exist_ok=True)
    (run.folder / "config.json").write_text(json.dumps(config))
    return run


def reopen_run(settings: Tracking, run_id: str, *, split_digest: str) -> Run:
    """Set an interrupted run to RUNNING again.

    Raises ConfigError where another process is working on it, and DataError where it began on
    other images or another split of them.
    """
    store = open_store(settings)
    began_on = store.client.get_run(run_id).data.tags["digest.split"]
    if began_on != split_digest:
        raise DataError(
            f"data: not what run {run_id} began on (split {split_digest[:12]}, was "
            f"{began_on[:12]}); bring the data back as it was, or start a new run"
        )
    run = MlflowRun(store, run_id, settings.folder.resolve() / "runs" / run_id)
    run.hold()
    store.client.update_run(run_id, status="RUNNING")
    if "end_reason" in store.client.get_run(run_id).data.tags:
        store.client.delete_tag(run_id, "end_reason")
    return run


def finished_run(settings: Tracking, run_id: str) -> "MlflowRun":
    """Return a run that has ended, to read from it or to add to it."""
    return MlflowRun(open_store(settings), run_id, settings.folder.resolve() / "runs" / run_id)


def end_left_running(settings: Tracking, tag: str, value: str, *, reason: str) -> None:
    """End the runs with this tag that are RUNNING though nobody works on them any more."""
    store = open_store(settings)
    running = store.client.search_runs(
        [store.experiment_id],
        f"attributes.status = 'RUNNING' and tags.`{tag}` = '{value}'",
        max_results=1000,
    )
    for child in running:
        finished_run(settings, child.info.run_id).finish("KILLED", reason=reason)


def find_interrupted(folder: Path, run_id: str) -> tuple[str, dict[str, Any]]:
    """Return the whole id and the configuration of a run that can be resumed.

    run_id: the id or the beginning of it. Raises ConfigError where no such run has a checkpoint.
    """
    runs = folder.resolve() / "runs"
    found = sorted(p.parent.name for p in runs.glob("*/last.ckpt"))
    matches = [name for name in found if name.startswith(run_id)]
    if len(matches) != 1:
        cure = f"choose one of {', '.join(found)}" if found else "there is none, so start anew"
        raise ConfigError(f"`resume`={run_id}: must name one interrupted run in {runs}; {cure}")
    config = json.loads((runs / matches[0] / "config.json").read_text())
    return matches[0], config


def _dataset_input(data: DataDescription) -> DatasetInput:
    dataset = Dataset(
        name=data.name,
        digest=data.digest[:MAX_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": data.source}),
        profile=json.dumps(data.profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and validation")])
