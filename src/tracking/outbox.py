"""Brings a run's events to its store; keeps them while the store is unreachable."""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, final

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from src.errors import TrackingError, TrainingFailed, first_line
from src.tracking.connection import Store, is_away, require_database
from src.tracking.jsonl import append_line, drop_half_line

KEPT, FILES = "unsent.jsonl", "unsent"
"""News that wait, one a line, and the files they speak of."""

MAX_DIGEST_LENGTH = 36
"""Longest dataset digest MLflow takes, in characters; the whole one is a tag."""

RANKED_BY = ("best/val_accuracy", "test/accuracy", "test/log_loss")
"""Metrics of a run that its model carries too."""

RETRY_INTERVAL_S = 15.0
"""How long a store that did not answer is left alone."""

PROBE_TIMEOUT_S = 2.0
"""How long a server may take to say that it is there, so that a hanging one costs no more."""

Event = Mapping[str, Any]
"""What happened: metrics as lists of key, value, time in ms and step; params; tags; data, a
dataset; files or model, a folder; scored_on, the data of the model's scores; status and time, the
end of the run."""


@final
class Outbox:
    """News of one run, in order, each kept until the store has it.

    All of them may be sent again without harm, because a connection that breaks does not tell
    whether the last one arrived: MLflow holds a metric of one time, step and value once; tags,
    parameters and files of one name take their own place; a model is looked for first.
    """

    def __init__(self, store: Store, run_id: str, folder: Path) -> None:
        self._store = store
        self._client = store.client
        self._run_id = run_id
        self._folder = folder
        self._kept = folder / KEPT
        self._next_try = 0.0
        self._away: str | None = None

    def put(self, news: Event) -> None:
        """Send the news, or keep it where the store, or an earlier one, has to wait.

        Raises TrainingFailed where the store refuses it.
        """
        known = self._away
        if monotonic() < self._next_try or not self.flush() or not self._try(news):
            self._keep(news)
        if self._away and not known:
            print(
                f"the tracking store is unreachable ({self._away}); what it misses is kept in "
                f"{self._folder} and sent when it is back",
                file=sys.stderr,
            )

    def flush(self) -> bool:
        """Send what is kept; tell whether nothing is left to send."""
        if not self._kept.exists():
            return True
        drop_half_line(self._kept)
        for line in self._kept.read_text(encoding="utf-8").splitlines()[1:]:
            if not self._try(json.loads(line)):
                return False
        self._kept.unlink()
        shutil.rmtree(self._folder / FILES, ignore_errors=True)
        return True

    def is_here(self) -> bool:
        """Tell whether what is kept, if anything is, is meant for this store and no other."""
        drop_half_line(self._kept)
        lines = self._kept.read_text(encoding="utf-8").splitlines() if self._kept.exists() else []
        return not lines or bool(json.loads(lines[0])["store"] == self._store.uri)

    def _keep(self, news: Event) -> None:
        drop_half_line(self._kept)
        if not self._kept.exists() or not self._kept.stat().st_size:
            self._folder.mkdir(parents=True, exist_ok=True)
            append_line(self._kept, json.dumps({"store": self._store.uri}))
        for kind in {"files", "model"} & news.keys():
            place = f"{FILES}/{self._kept.stat().st_size}"
            shutil.copytree(news[kind], self._folder / place, dirs_exist_ok=True)
            news = {**news, kind: place}
        append_line(self._kept, json.dumps(news))

    def _try(self, news: Event) -> bool:
        """Tell whether the store took it; False where it is unreachable."""
        try:
            if self._store.is_server:
                require_database(self._store, within_s=PROBE_TIMEOUT_S)
            self._send(news)
        except (MlflowException, RequestException, TrackingError) as error:
            said = first_line(error)
            if not is_away(error, on_server=self._store.is_server):
                raise TrainingFailed(f"run {self._run_id}: the store refuses it: {said}") from error
            self._away, self._next_try = said, monotonic() + RETRY_INTERVAL_S
            return False
        self._away = None
        return True

    def _send(self, news: Event) -> None:
        metrics = [Metric(*entry) for entry in news.get("metrics", ())]
        params = [Param(*item) for item in news.get("params", {}).items()]
        tags = [RunTag(*item) for item in news.get("tags", {}).items()]
        if metrics or params or tags:
            self._client.log_batch(self._run_id, metrics=metrics, params=params, tags=tags)
        if "data" in news:
            self._send_data(news["data"])
        if "files" in news:
            self._client.log_artifacts(self._run_id, str(self._folder / news["files"]))
        if "model" in news:
            self._send_model(self._folder / news["model"], news["scored_on"])
        if "status" in news:
            self._client.set_terminated(self._run_id, news["status"], news["time"])

    def _send_data(self, data: Mapping[str, Any]) -> None:
        use = InputTag("mlflow.data.context", "training and validation")
        inputs = [DatasetInput(Dataset(**data), [use])]
        try:
            self._client.log_inputs(self._run_id, inputs)
        except MlflowException as error:
            if "unique" not in str(error).lower():
                raise
            # another run was the first to name these images, after MLflow had looked for them
            self._client.log_inputs(self._run_id, inputs)

    def _send_model(self, folder: Path, scored_on: Mapping[str, str]) -> None:
        """Tie a saved model to the run; one that an attempt cut off has begun is completed."""
        from mlflow.models import Model

        experiment, run = self._store.experiment_id, self._client.get_run(self._run_id)
        earlier = self._client.search_logged_models(
            [experiment], filter_string=f"source_run_id = '{self._run_id}'"
        )
        name = re.sub(r"[/:.%\"']", "-", run.data.tags.get("model", "model"))  # as MLflow demands
        begun = (
            earlier[0]
            if earlier
            else self._client.create_logged_model(experiment, name, source_run_id=self._run_id)
        )
        if begun.status == LoggedModelStatus.READY:
            return
        saved = Model.load(str(folder))
        saved.model_id = begun.model_id
        saved.save(str(folder / "MLmodel"))
        self._client.log_model_artifacts(begun.model_id, str(folder))
        known = run.outputs.model_outputs if run.outputs else ()
        if begun.model_id not in {output.model_id for output in known}:
            self._client.log_outputs(self._run_id, [LoggedModelOutput(begun.model_id, step=0)])
        logged = [self._client.get_metric_history(self._run_id, key)[-1:] for key in RANKED_BY]
        scores = [
            Metric(m.key, m.value, m.timestamp, m.step, begun.model_id, **scored_on)
            for some in logged
            for m in some
        ]
        self._client.log_batch(self._run_id, metrics=scores)
        self._client.finalize_logged_model(begun.model_id, "READY")
