"""Connects to a tracking store: SQLite in a folder, another database, or a server."""

import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar, final
from urllib.parse import unquote

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from src.config.settings import Tracking, take_credentials, without_password
from src.errors import RunGone, TrackingError, TrackingUnavailable, first_line
from src.tracking.database import (
    address_of,
    artifacts_of,
    create_database,
    follow_move,
    unwritable_error,
)
from src.tracking.views import mend_views, view_tags

logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks; we tell
logging.getLogger("alembic").setLevel(logging.WARNING)

DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}
"""Opens the experiment in the UI's view for trained models rather than that for agents."""
ANSWER_TIMEOUT_S = 5.0
NO_LOGIN = {401, 403}
TROUBLES = (MlflowException, RequestException, SQLAlchemyError, sqlite3.Error, ImportError)
"""What comes out of a store that cannot be used, or is asked for what it does not have."""
PAGE = 1000
"""Runs a call; more are fetched page by page."""


TRIAL_START_TIMEOUT_S = 600.0
"""How long a trial waits for a server that is unreachable, before it fails."""

Given = TypeVar("Given")


@final
@dataclass(frozen=True)
class Store:
    """An open tracking store and the experiment in it that runs go to."""

    client: MlflowClient
    experiment_id: str
    settings: Tracking

    @property
    def folder(self) -> Path:
        """Where runs have their working folders."""
        return self.settings.folder.resolve()

    @property
    def uri(self) -> str | None:
        """Its address without a password, None for the database of the folder itself."""
        return self.settings.uri and without_password(self.settings.uri)

    @contextmanager
    def usable(self) -> Iterator[None]:
        """Raise TrackingError where the store cannot do what is done inside.

        TrackingUnavailable where it may be able to later.
        """
        try:
            yield
        except TROUBLES as error:
            raise _unusable(self.settings, error) from error

    @property
    def experiment(self) -> str:
        """Name of the experiment, and of the registered model that becomes its champion."""
        return self.settings.experiment

    @property
    def is_server(self) -> bool:
        """Whether the store is reached over HTTP."""
        return self.uri is not None and self.uri.startswith("http")


def all_runs(
    client: MlflowClient,
    query: str = "",
    *,
    experiments: list[str] | None = None,
    view: int = ViewType.ACTIVE_ONLY,
) -> list[MlflowRun]:
    """Return every run that matches, the newest first, fetched page by page.

    experiments: their ids, None for all that there are.
    """
    if experiments is None:
        experiments = [e.experiment_id for e in client.search_experiments(view_type=view)]
    found: list[MlflowRun] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            experiments, query, run_view_type=view, max_results=PAGE, page_token=token
        )
        found.extend(page)
        token = page.token
        if not token:
            return found


def living_run(client: MlflowClient, run_id: str) -> MlflowRun:
    """Return a run; raises RunGone where it was deleted, even if it can still be restored."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        run = None
    if run is None or run.info.lifecycle_stage == "deleted":
        raise RunGone(f"run {run_id}: was deleted from the store; restore it, or start a new one")
    return run


def connect(settings: Tracking) -> Store:
    """Connect to the store, creating it on first use; many processes may do so at once.

    Raises TrackingError when the folder cannot be written or the server does not answer.
    """
    uri, artifacts = settings.uri or "", None
    if settings.uri is not None:
        uri = take_credentials(settings.uri)
        require_answer(uri)
    file = database_file(settings)
    if file is not None:
        create_database(file)
        uri, artifacts = address_of(file), artifacts_of(file)
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, settings.experiment, artifacts)
        if file is not None:
            follow_move(file)
    except (*TROUBLES, OSError) as error:
        if file is not None and not os.access(file.parent, os.W_OK):
            raise unwritable_error(file.parent, "read-only") from error
        raise _unusable(settings, error) from error
    return Store(client, experiment, settings)


def retry_while_unreachable(start: Callable[[], Given], check_stop: Callable[[], None]) -> Given:
    """Call `start` again and again for ten minutes while the server is unreachable.

    For trials, beside which nobody sits to start them again. Raises TrackingUnavailable when the
    server has not come back in time.
    """
    end, told = monotonic() + TRIAL_START_TIMEOUT_S, False
    while True:
        try:
            return start()
        except TrackingUnavailable as error:
            if monotonic() > end:
                raise
            if not told:
                minutes = f"{TRIAL_START_TIMEOUT_S / 60:.0f} minutes"
                print(f"a trial waits up to {minutes} to begin: {error}", file=sys.stderr)
                told = True
        check_stop()
        sleep(1.0)


def _unusable(settings: Tracking, error: Exception) -> TrackingError:
    """Return in one line that the store cannot be used, and why."""
    address = without_password(settings.uri) if settings.uri else str(database_file(settings))
    said = first_line(error)
    if isinstance(error, MlflowException) and error.get_http_status_code() in NO_LOGIN:
        return _without_login(address, said)
    away = address.startswith("http") and is_away(error, on_server=True)
    return (TrackingUnavailable if away else TrackingError)(
        f"tracking store {address}: cannot be used ({said}); correct `tracking.uri` or start its "
        "server; a damaged file must be moved away"
    )


def is_away(error: Exception, *, on_server: bool) -> bool:
    """Tell a store that cannot be reached, or is locked, from one that says no."""
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= 500
    if isinstance(error, MlflowException):
        trouble = {"INTERNAL_ERROR", "DEADLINE_EXCEEDED"} if on_server else set()
        return error.error_code in {"TEMPORARILY_UNAVAILABLE", *trouble}
    return True


def database_file(settings: Tracking) -> Path | None:
    """Return the SQLite file of the store, None where it is another kind.

    Raises TrackingError where an address of SQLite names no file.
    """
    if settings.uri is None:
        return settings.folder.resolve() / "mlflow.db"
    scheme, _, place = settings.uri.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return None
    name = unquote(place.removeprefix("/"))
    if not place.startswith("/") or "?" in place or name in {"", ":memory:"}:
        raise TrackingError(
            f"`tracking.uri`={settings.uri}: names no file; write sqlite:////PATH/mlflow.db, and "
            "%3F for a question mark, %25 for a per cent sign in it"
        )
    return Path(name).resolve()


def require_answer(uri: str) -> None:
    """Raise TrackingUnavailable where no server answers, TrackingError where none can."""
    scheme = uri.partition("://")[0].partition("+")[0]
    if scheme not in {"http", "https", *DATABASES}:
        raise TrackingError(
            f"`tracking.uri`={without_password(uri)}: must be the http address of an MLflow "
            "server or a database such as sqlite:////path/mlflow.db; or leave it out to track "
            "in a folder"
        )
    if scheme in DATABASES:
        return
    status, said = _ask(uri, "/health", ANSWER_TIMEOUT_S)
    if status in NO_LOGIN:
        raise _without_login(uri, f"{status} {said}")
    if not 200 <= status < 300:
        raise TrackingUnavailable(
            f"`tracking.uri`={without_password(uri)}: no MLflow server answers there within "
            f"{ANSWER_TIMEOUT_S:g} s ({said}); start it, correct the address, or leave it out "
            "to track in a folder"
        )


def require_database(store: Store, *, within_s: float) -> None:
    """Raise TrackingUnavailable where the server or its database does not answer in time.

    MLflow's client would ask again and again before it said so.
    """
    query = f"/api/2.0/mlflow/experiments/get?experiment_id={store.experiment_id}"
    status, said = _ask(store.uri or "", query, within_s)
    if not 0 < status < 500:
        raise TrackingUnavailable(f"{store.uri}: no answer ({said})")


def _ask(uri: str, endpoint: str, within_s: float) -> tuple[int, str]:
    """Ask a server once, with the login that MLflow's client has; return the status and words.

    The status is 0 where nothing answers in time.
    """
    login = get_default_host_creds(uri)
    try:
        answer = http_request(
            login, endpoint, "GET", max_retries=0, timeout=within_s, raise_on_status=False
        )
    except MlflowException as error:
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        return 0, first_line(cause)
    return answer.status_code, answer.reason


def _without_login(uri: str, said: str) -> TrackingError:
    return TrackingError(
        f"`tracking.uri`={without_password(uri)}: the server refuses the login ({said}); give it "
        "as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or in the address: "
        "tracking.uri=http://USER:PASSWORD@HOST:PORT"
    )


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            tags = {**TRAINING_VIEW, **view_tags()}
            return client.create_experiment(name, artifact_location=artifacts, tags=tags)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process was first
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"`tracking.experiment`={name!r}: was deleted in the store; restore it there, or "
            "choose another name"
        )
    mend_views(client, found)
    return found.experiment_id
