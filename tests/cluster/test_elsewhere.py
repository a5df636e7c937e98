"""What one folder left on the server, read and gone on with from another, as on another machine."""

import json
import re
import signal
from pathlib import Path

import pytest
from PIL import Image

from src.config.settings import Tracking
from src.data.digits import Digits
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
    assert "is finished; there is nothing to resume" in refused.stderr


def test_every_verb_finds_what_it_needs_from_a_folder_that_has_nothing(
    cluster: Cluster, here, there
):
    left = Tracking(folder=here / "mlruns", uri=cluster.server.uri, experiment="read")
    line = (*cluster.tracking, f"tracking.experiment={left.experiment}")
    ids = {model: train_into(left, f"model={model}", *line[1:]) for model in ("linear", "dnn")}
    assert not list((here / "mlruns" / "runs").iterdir())  # all of it is on the server

    def told(verb: str, *arguments: str) -> str:
        done = python("-m", verb, *arguments, *line, cwd=there)
        assert done.returncode == 0, done.stderr
        return done.stdout

    [report] = re.findall(r"^report +(\S+)$", told("src.compare"), re.MULTILINE)
    assert "dnn" in (there / report).read_text()
    told("src.compare", f"promote={ids['dnn']}")
    pixels = Digits().load().validation.pixels[0, 0]
    Image.fromarray(pixels).save(there / "digit.png")
    said = json.loads(told("src.predict", "digit.png", "format=json"))
    assert said["run"] == ids["dnn"]
    [answer] = said["answers"]
    assert answer["status"] in {"recognised", "unsure"}
    assert told("src.train", f"reproduce={ids['linear']}").splitlines()[-1].startswith("identical")

    client = cluster.store(there).client
    dnn = client.get_run(ids["dnn"])
    assert dnn.data.tags["test.looks"] == "1"
    assert dnn.info.artifact_uri.startswith("mlflow-artifacts:")
    [again] = client.search_runs([dnn.info.experiment_id], f"tags.reproduces = '{ids['linear']}'")
    assert again.info.status == "FINISHED"
