"""Starts runs, and finds those to resume, to add to, or to end."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, final
from uuid import uuid4

import yaml
from filelock import Timeout
from mlflow.entities import Run as MlflowRun

from src.errors import ConfigError, DataError, RunGone, TrackingError
from src.tracking.connection import Store, all_runs, living_run
from src.tracking.database import make_folder
from src.tracking.handover import download_workdir
from src.tracking.outbox import MAX_DIGEST_LENGTH
from src.tracking.owner import this_process
from src.tracking.provenance import COMMIT, describe_environment, uncommitted_changes
from src.tracking.recovery import flush
from src.tracking.run import LAST, OUTCOME, Run

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
    store: Store | None,
    *,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    data: DataDescription,
    config: Mapping[str, Any],
    device: str = "cpu",
) -> Run:
    """Start a run, an untracked one where there is no store.

    Its name gets a number at the end where another run has it. Configuration, and with what the
    run is made, are files of it. device: that is trained on, in words.
    Raises TrackingError when the store cannot be used.
    """
    if store is None:
        run = Run(None, uuid4().hex, Path(tempfile.mkdtemp(prefix="untracked-")))
        files = {}
    else:
        environment = {**describe_environment(), "hardware.device": device}
        commit = {COMMIT: environment[COMMIT]} if COMMIT in environment else {}
        run = _create(store, name=name, tags={**tags, **commit})
        files = {"environment.json": json.dumps(environment, indent=2)}
        if uncommitted_changes():
            files["uncommitted.patch"] = uncommitted_changes()
        texts = {key: str(value)[:MAX_PARAM_LENGTH] for key, value in params.items()}
        run.describe(params=texts, data=_dataset(data))
    run.folder.mkdir(exist_ok=True)
    _keep(config, run, files)
    return run


def _keep(config: Mapping[str, Any], run: Run, others: Mapping[str, str]) -> None:
    """Keep the configuration with the run, and in its working folder for resuming it."""
    text = yaml.safe_dump(dict(config), sort_keys=False)
    run.log_texts({"config.yaml": text, **others})
    draft = run.folder / "config.draft"
    draft.write_text(json.dumps(config), encoding="utf-8")
    draft.replace(run.folder / "config.json")


def _create(store: Store, *, name: str, tags: Mapping[str, str]) -> Run:
    for line in flush(store):
        print(line, file=sys.stderr)
    runs = make_folder(store.folder / "runs")
    with store.usable():
        created = store.client.create_run(
            store.experiment_id,
            run_name=_free_name(store, name),
            tags={**tags, **this_process(store.folder).tags},
        )
    run_id = created.info.run_id
    run = Run(store, run_id, runs / run_id, looks=0, began=created.info.start_time)
    run.hold()
    return run


def _free_name(store: Store, name: str) -> str:
    """Return the name, with a number behind it where a run of the experiment has it already."""
    quote = '"' if "'" in name else "'"
    if quote in name:
        return name  # the store's filters have no words for it
    alike = f"attributes.run_name LIKE {quote}{name}%{quote}"
    found = all_runs(store.client, alike, experiments=[store.experiment_id])
    taken = {run.info.run_name for run in found}
    others = (f"{name} run {number}" for number in count(2))
    return name if name not in taken else next(other for other in others if other not in taken)


def require_same_data(run_id: str, began_on: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise DataError where a run's tags name other images, or another split, than those now."""
    for key, digest in now.items():
        if key.startswith("digest.") and began_on.get(key, digest) != digest:
            raise DataError(
                f"data: not what run {run_id} began on ({key.removeprefix('digest.')} "
                f"{digest[:12]}, was {began_on[key][:12]}); bring the data back as it was, or "
                "start a new run"
            )


def reopen_run(
    store: Store, run_id: str, *, data: Mapping[str, str], config: Mapping[str, Any] | None
) -> Run:
    """Set an interrupted run to RUNNING again.

    data: tags that say what it is resumed on. config: kept instead of that it began with.
    Raises RunGone where it was deleted, ConfigError where another process is working on it,
    DataError where it began on other images or another split of them, and TrackingError where the
    store cannot be used.
    """
    with store.usable():
        stored = living_run(store.client, run_id)
        earlier = _logged_so_far(store, stored)
    require_same_data(run_id, stored.data.tags, data)
    run = Run(
        store,
        run_id,
        store.folder / "runs" / run_id,
        earlier=earlier,
        looks=int(stored.data.tags.get("test.looks", 0)),
        began=stored.info.start_time,
    )
    try:
        run.hold()
    except Timeout as error:
        raise ConfigError(
            f"`resume`={run_id}: another process is training this run; wait for its end, or stop it"
        ) from error
    try:
        with store.usable():
            store.client.update_run(run_id, status="RUNNING")
            for tag in {"end_reason", OUTCOME} & stored.data.tags.keys():
                store.client.delete_tag(run_id, tag)
    except TrackingError:
        run.unlock()
        raise
    if config is not None:
        _keep(config, run, {})
    run.set_tags(this_process(store.folder).tags)
    return run


def _logged_so_far(store: Store, run: MlflowRun) -> dict[tuple[str, int], float]:
    """Return the last value of every metric and step that a run has logged."""
    histories = (store.client.get_metric_history(run.info.run_id, key) for key in run.data.metrics)
    values = sorted((m for history in histories for m in history), key=lambda m: m.timestamp)
    return {(metric.key, metric.step): metric.value for metric in values}


def existing_run(store: Store, run_id: str) -> Run:
    """Return a run that has ended, to read from it or to add to it."""
    return Run(store, run_id, store.folder / "runs" / run_id)


def was_deleted(store: Store, run_id: str) -> bool:
    """Tell whether there was such a run, and it was deleted from the store."""
    try:
        living_run(store.client, run_id)
    except RunGone:
        return True
    return False


def detach_trial(store: Store, run_id: str, *, reason: str) -> None:
    """End a run that is no trial's as KILLED, and let it no longer carry the number of one."""
    run = existing_run(store, run_id)
    with store.usable():
        number = store.client.get_run(run_id).data.tags["trial.number"]
        run.set_tags({"trial.attempt": number})
        store.client.delete_tag(run_id, "trial.number")
    run.finish("KILLED", reason=reason)


def end_children(store: Store, parent: str, *, reason: str) -> None:
    """End the runs below a sweep's that are RUNNING though nobody works on them any more.

    Raises TrackingError where the store cannot be asked.
    """
    for child in runs_below(store, parent, status="RUNNING"):
        existing_run(store, child.info.run_id).finish("KILLED", reason=reason)


def runs_below(store: Store, parent: str, *, status: str | None = None) -> list[MlflowRun]:
    """Return the runs of a sweep's trials and confirmations, of one status where it is given.

    parent: the sweep's run id. Raises TrackingError where the store cannot be asked.
    """
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    if status is not None:
        query += f" and attributes.status = '{status}'"
    with store.usable():
        return all_runs(store.client, query)


def find_interrupted(store: Store, run_id: str) -> tuple[str, dict[str, Any]]:
    """Return the whole id and the configuration of a run that can be resumed.

    run_id: the id or the beginning of it. What was stopped elsewhere comes from the server.
    Raises ConfigError where no such run has a checkpoint.
    """
    if store.is_server:
        with store.usable():
            download_workdir(store, run_id)
    runs = store.folder / "runs"
    found = sorted(p.parent.name for p in runs.glob(f"*/{LAST}"))
    matches = [name for name in found if name.startswith(run_id)]
    if len(matches) != 1:
        fix = f"choose one of {', '.join(found)}" if found else "there is none, so start anew"
        raise ConfigError(f"`resume`={run_id}: must name one interrupted run in {runs}; {fix}")
    place = runs / matches[0] / "config.json"
    try:
        return matches[0], json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"`resume`={run_id}: {place} cannot be read ({error}); start a new run"
        ) from error


def _dataset(data: DataDescription) -> dict[str, str]:
    """Return the data as MLflow's dataset."""
    return {
        "name": data.name,
        "digest": data.digest[:MAX_DIGEST_LENGTH],
        "source_type": "local",
        "source": json.dumps({"uri": data.source}),
        "profile": json.dumps(data.profile),
    }
