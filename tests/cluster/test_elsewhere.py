"""What one folder left on the server, read and gone on with from another, as on another machine."""

import signal
from pathlib import Path

import pytest

from src.comparison.champion import promote
from src.comparison.contenders import select
from src.comparison.session import compare
from src.comparison.settings import Which, make_request
from src.inference.recogniser import load_recogniser
from src.settings import Tracking
from src.tracking.reading import StoredRuns
from tests.cluster.conftest import Cluster
from tests.comparison.conftest import train_into
from tests.conftest import TRAINING, python, start_training
from tests.faults.test_sweep_kills import read_until

pytestmark = pytest.mark.cluster
EPOCHS = 40


@pytest.fixture
def here(tmp_path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path) -> Path:
    """A folder that has nothing."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def test_a_training_stopped_here_is_gone_on_with_there(cluster: Cluster, here, there):
    line = (*cluster.tracking, "tracking.experiment=moved")
    process = start_training(*TRAINING, *line, cwd=here)
    read_until(process, f"epoch 12/{EPOCHS} ")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    client = cluster.store(here).client
    experiment = client.get_experiment_by_name("moved").experiment_id
    [stopped] = client.search_runs([experiment])
    assert stopped.info.status == "KILLED"
    left = cluster.store(here).curve(stopped.info.run_id, "val_loss")
    resumed = python("-m", "src.train", f"resume={stopped.info.run_id[:8]}", *line, cwd=there)
    assert resumed.returncode == 0, resumed.stderr
    [finished] = client.search_runs([experiment])
    assert finished.info.status == "FINISHED"
    curve = cluster.store(there).curve(finished.info.run_id, "val_loss")
    assert [step for step, _ in curve] == list(range(1, EPOCHS + 1))
    assert curve[: len(left)] == left
    refused = python("-m", "src.train", f"resume={stopped.info.run_id}", *line, cwd=here)
    assert refused.returncode == 2
    assert "is finished; there is nothing to go on with" in refused.stderr


def test_runs_are_compared_promoted_and_used_from_a_folder_that_has_nothing(
    cluster: Cluster, here, there
):
    asked = {"uri": cluster.server.uri, "experiment": "read"}
    left = Tracking(folder=here / "mlruns", **asked)
    line = (f"tracking.uri={left.uri}", f"tracking.experiment={left.experiment}")
    ids = {model: train_into(left, f"model={model}", *line) for model in ("linear", "dnn")}
    assert not list((here / "mlruns" / "runs").iterdir())  # all of it is on the server

    tracking = Tracking(folder=there / "mlruns", **asked)
    stored = StoredRuns(tracking)
    outcome = compare(stored, select(stored, Which()), tracking, name=None, say=lambda text: None)
    assert "dnn" in (outcome.folder / "report.html").read_text()
    assert outcome.folder.is_relative_to(there)
    request = make_request(
        {"compare": {}, "tracking": tracking.model_dump(), "promote": ids["dnn"]}
    )
    assert promote(stored, request, named=ids["dnn"], say=lambda text: None).promoted
    recogniser = load_recogniser(tracking)
    assert "champion" in recogniser.origin
    assert stored.again(ids["dnn"]).tags["test.looks"] == "1"
    address = cluster.store(there).client.get_run(ids["dnn"]).info.artifact_uri
    assert address.startswith("mlflow-artifacts:")
