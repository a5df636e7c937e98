"""What one folder left on the server, read and gone on with from another, as on another machine."""

import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.cluster.conftest import Cluster
from tests.conftest import TRAINING, python, start_training
from tests.faults.test_sweep_kills import read_until
from tests.sweeping import FAST

pytestmark = pytest.mark.cluster
EPOCHS = 40


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("here")


@pytest.fixture
def there(tmp_path) -> Path:
    """A folder that has nothing."""
    return tmp_path


def run(verb: str, *arguments: str, cwd: Path) -> str:
    done = python("-m", f"src.{verb}", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    run("train", f"resume={stopped.info.run_id[:8]}", *line, cwd=there)
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
    line = (*cluster.tracking, "tracking.experiment=read")
    for model in ("linear", "dnn"):
        run("train", *FAST, f"model={model}", "trainer.max_epochs=5", *line, cwd=here)
    assert "dnn" in run("compare", *line, cwd=there)
    client = cluster.store(there).client
    experiment = client.get_experiment_by_name("read").experiment_id
    [best, *_] = client.search_runs(
        [experiment],
        "attributes.status = 'FINISHED' and metrics.`best/val_accuracy` > 0",
        order_by=["metrics.`best/val_accuracy` DESC"],
    )
    run("compare", f"promote={best.info.run_id}", *line, cwd=there)
    Image.new("L", (8, 8)).save(there / "empty.png")
    assert "empty.png" in run("predict", "empty.png", *line, cwd=there)
    shipped = [a.path for a in client.list_artifacts(best.info.run_id)]
    assert {"checkpoint", "figures", "config.yaml"} <= set(shipped)
    assert best.info.artifact_uri.startswith("mlflow-artifacts:")
