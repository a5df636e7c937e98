"""The champion: the registered model that prediction uses, and how it changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from src.config.commands import command, tracking_overrides
from src.errors import ConfigError, RunGone
from src.tracking.connection import Store
from src.tracking.queries import StoredRun, StoredRuns

ALIAS = "champion"
BEFORE = "champion.before"
"""Tag of a version: the version that was champion before it."""


@final
@dataclass(frozen=True)
class Champion:
    """The registered version that carries the alias, and the run that trained it."""

    version: str
    run_id: str


def find_champion(store: Store) -> Champion | None:
    """Return the champion of the experiment, None where none was promoted yet.

    The registered model has the name of the experiment.
    """
    try:
        version = store.client.get_model_version_by_alias(store.experiment, ALIAS)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return Champion(str(version.version), str(version.run_id))


def run_of_champion(store: Store, champion: Champion, *, instead: str | None = None) -> StoredRun:
    """Return the run of a champion; raises RunGone, with what helps, where it was deleted.

    instead: id of the run to be champion in its place, by default the newest other.
    """
    try:
        return StoredRuns(store).get(champion.run_id)
    except RunGone as error:
        what = f"run {champion.run_id} of champion version {champion.version}"
        raise _gone(store, what, instead=instead) from error


def register_champion(
    store: Store, run_id: str, *, model_id: str, tags: Mapping[str, str], description: str
) -> Champion:
    """Register the exported model of a run as a new version, and move the alias to it.

    tags: of the new version. description: its scores first, because the UI's page of a version
    shows none; in Markdown. A run that was champion before gets a version of its own for each
    time, so that the way back is one line.
    """
    client = store.client
    before = find_champion(store)
    _expect_registered(client, store.experiment)
    page = f"#/experiments/{store.experiment_id}/models/{model_id}"
    version = client.create_model_version(
        store.experiment,
        _source(store, model_id),
        run_id,
        tags={**tags, **({BEFORE: before.version} if before else {})},
        description=f"{description} [The exported model and its metrics]({page})",
        model_id=model_id,
    )
    if not store.is_server:  # which does so itself
        _link_version(client, model_id, version)
    client.set_registered_model_alias(store.experiment, ALIAS, version.version)
    return Champion(str(version.version), run_id)


def _link_version(client: MlflowClient, model_id: str, version: ModelVersion) -> None:
    """Let the UI's list of models name the version, as `mlflow.register_model` does."""
    known = client.get_logged_model(model_id).tags.get(MLFLOW_MODEL_VERSIONS, "[]")
    versions = [*json.loads(known), {"name": version.name, "version": version.version}]
    client.set_logged_model_tags(model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(versions)})


def rollback(store: Store, *, reason: str | None) -> tuple[Champion, Champion]:
    """Move the alias to the champion before the present one; return who was champion, and who is.

    Raises ConfigError without one, and RunGone where it or its run was deleted.
    """
    client = store.client
    present = find_champion(store)
    if present is None:
        raise ConfigError("`rollback`=true: there is no champion yet; promote=RUN makes one")
    name = store.experiment
    earlier = client.get_model_version(name, present.version).tags.get(BEFORE)
    if not earlier:
        raise ConfigError(
            f"`rollback`=true: version {present.version} is the first champion; there is none "
            "before it"
        )
    try:
        version = client.get_model_version(name, earlier)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise _gone(store, f"version {earlier}, the champion before,") from error
    now = Champion(earlier, str(version.run_id))
    run_of_champion(store, now)
    client.set_registered_model_alias(name, ALIAS, earlier)
    client.set_model_version_tag(
        name, present.version, "champion.rolled_back", reason or "no reason given"
    )
    return present, now


def _gone(store: Store, what: str, *, instead: str | None = None) -> RunGone:
    champion = find_champion(store)
    others = [run.id for run in StoredRuns(store).newest(2)]
    others = [other for other in others if champion is None or other != champion.run_id]
    promotion = {
        "promote": instead or (others or ["RUN"])[0],
        "force": True,
        "reason": "the run before is gone",
        **tracking_overrides(store.settings),
    }
    return RunGone(
        f"{what} was deleted from the store; restore it, or make another run champion: "
        f"{command('compare', promotion)}"
    )


def _source(store: Store, model_id: str) -> str:
    """Return where the exported model is.

    A server finds its models by id. In a database MLflow would look the id up in the store that
    its global state names, which is not this one.
    """
    if store.is_server:
        return f"models:/{model_id}"
    return str(store.client.get_logged_model(model_id).artifact_location)


def _expect_registered(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
