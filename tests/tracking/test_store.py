"""The store under many first starts, behind a real server, and where it is damaged."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from threading import Barrier
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from PIL import Image
from sqlalchemy import URL

from src.config.settings import Tracking
from src.data.digits import Digits
from src.errors import TrackingError, TrackingUnavailable
from src.tracking import NOT_USED
from src.tracking.connection import connect
from src.tracking.runs import DataDescription, start_run
from src.tracking.store import open_store
from tests.conftest import TIMEOUT_S, environment, python
from tests.preloaded import Command
from tests.serving import Server, behind_login, free_port

pytestmark = pytest.mark.long

FAST = ("experiment=none", "data=digits", "trainer.threads=1", "trainer.max_epochs=2")


def train(*overrides: str, cwd):
    return python("-m", "src.train", *FAST, *overrides, cwd=cwd)


def statuses(uri: str, *, experiment: str = "digits") -> list[str]:
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return sorted(run.info.status for run in client.search_runs([found.experiment_id]))


def test_several_first_starts_at_once_share_one_sound_store(tmp_path):
    file = tmp_path / "store" / "own.db"  # tests/faults has six of them in an empty folder
    command = [sys.executable, "-m", "src.train", *FAST, f"tracking.uri=sqlite:///{file}"]
    started = [
        subprocess.Popen([*command, f"seed={seed}"], cwd=tmp_path, env=environment())
        for seed in range(3)
    ]
    assert [process.wait(TIMEOUT_S) for process in started] == [0, 0, 0]
    assert statuses(f"sqlite:///{file}") == ["FINISHED"] * 3
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_damaged_database_is_told_in_one_line(tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"no database at all" * 1000)
    done = train(cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "mlflow.db" in line
    assert "damaged" in line


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server.uri
    server.kill()


def test_a_run_on_a_real_server_is_whole_and_no_password_is_kept(tmp_path, server):
    address = server.replace("http://", "http://anna:secret@")
    done = train(f"tracking.uri={address}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert statuses(server) == ["FINISHED"]
    client = MlflowClient(tracking_uri=server)
    [run] = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert {f.path for f in client.list_artifacts(run.info.run_id, "figures")} >= {
        "figures/confusion_matrix.png",
        "figures/first_layer_weights.png",
    }
    kept = client.download_artifacts(run.info.run_id, "config.yaml", str(tmp_path))
    assert "secret" not in open(kept).read()  # noqa: SIM115, PTH123


def test_a_server_behind_a_login_lets_in_who_has_it_and_says_so_to_others(
    tmp_path, server, monkeypatch
):
    own = "tracking.experiment=login"
    with behind_login(int(server.rpartition(":")[2]), "anna:geh@im") as address:
        for login in ("", "anna:wrong@"):
            refused = train(f"tracking.uri={address.replace('//', f'//{login}')}", cwd=tmp_path)
            assert refused.returncode == 2
            [line] = refused.stderr.strip().splitlines()
            assert "401" in line
            assert "MLFLOW_TRACKING_USERNAME" in line
            assert "no MLflow server" not in line
            assert "wrong" not in line
        inside = address.replace("//", "//anna:geh@im@")
        assert train(f"tracking.uri={inside}", own, cwd=tmp_path).returncode == 0
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geh@im")
        assert train(f"tracking.uri={address}", own, cwd=tmp_path).returncode == 0
    assert statuses(server, experiment="login") == ["FINISHED"] * 2


def test_a_login_that_only_the_data_ask_for_is_nothing_to_wait_for(tmp_path):
    with behind_login(1, "anna:geheim", health_is_open=True) as address:
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME") as told:
            connect(Tracking(uri=address, folder=tmp_path))
        assert not isinstance(told.value, TrackingUnavailable)


def digit(folder: Path) -> str:
    Image.fromarray(Digits().load().validation.pixels[0, 0]).save(folder / "digit.png")
    return "digit.png"


def run(verb: str, *arguments: str, cwd: Path) -> CompletedProcess[str]:
    done = python("-m", verb, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def commands(train_in: str, predict_in: str, *, cwd: Path) -> list[tuple[str, ...]]:
    """Return how to train, to promote and to predict."""
    return [
        ("src.train", *FAST, "name=mine", train_in),
        ("src.compare", "promote=mine", train_in),
        ("src.predict", digit(cwd), predict_in),
    ]


def assert_all_in_one_store(uri: str, answer: str) -> None:
    """Check what the three commands have left, and who has answered."""
    client = MlflowClient(uri, uri)
    [trained] = client.search_runs(["1"])
    champion = client.get_model_version_by_alias("digits", "champion")
    assert champion.run_id == trained.info.run_id
    assert f"champion, version {champion.version}" in answer
    files = client.list_artifacts(trained.info.run_id)
    assert {file.path for file in files} >= {"checkpoint", "config.yaml", "figures"}


ONE_AFTER_ANOTHER = """
import json, runpy, sys
for module, *sys.argv[1:] in json.loads(sys.argv[1]):
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, end.code
    print("next", file=sys.stderr)
"""
"""Commands in one process: the variables are read once, while the program loads."""


def test_a_store_that_the_environment_names_is_not_used_which_is_said(tmp_path, monkeypatch):
    other = f"sqlite:///{tmp_path}/other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:geheim@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", other)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    own = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    default = "tracking=local"
    lines = json.dumps(commands(default, default, cwd=tmp_path))
    done = python("-c", ONE_AFTER_ANOTHER, lines, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_all_in_one_store(own, done.stdout + done.stderr)
    for said in done.stderr.split("next\n")[:3]:
        [line] = [line for line in said.splitlines() if "not used" in line]
        for word in ("MLFLOW_TRACKING_URI=http://127.0.0.1:9,", other, "=theirs", "tracking.uri="):
            assert word in line
        assert f"runs and models are in {tmp_path}/mlruns" in line
        assert "geheim" not in said
    assert MlflowClient(own).get_experiment_by_name("theirs") is None
    assert {path.name for path in tmp_path.iterdir()} == {"mlruns", "digit.png"}


def test_a_store_that_the_environment_names_too_needs_no_word(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(NOT_USED, "MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setitem(NOT_USED, "MLFLOW_EXPERIMENT_NAME", "digits")
    open_store(Tracking(folder=tmp_path))
    assert capsys.readouterr().err == ""
    open_store(Tracking(folder=tmp_path, experiment="another"))
    assert capsys.readouterr().err.startswith("MLFLOW_EXPERIMENT_NAME=digits: not used")


SIGNS = "z\u00e4hler a%20b 100% c?d#e&f;g+h@i"


def test_a_path_of_any_signs_is_the_same_store_for_every_verb(tmp_path):
    file = tmp_path / SIGNS / "mlflow.db"
    folder = f"tracking.folder='{file.parent}'"
    uri = f"tracking.uri='{URL.create('sqlite', database=str(file)).render_as_string()}'"
    own = f"sqlite+pysqlite:///{quote(str(file))}"
    done = [run(*line, cwd=tmp_path) for line in commands(folder, uri, cwd=tmp_path)]
    assert_all_in_one_store(own, done[-1].stdout + done[-1].stderr)
    assert (file.parent / "artifacts").is_dir()
    with page(uri, cwd=tmp_path) as address:
        [shown] = MlflowClient(address).search_runs(["1"])
        assert MlflowClient(address).list_artifacts(shown.info.run_id)
    assert {path.name for path in tmp_path.iterdir()} <= {"mlruns", "digit.png", SIGNS}


@contextmanager
def page(place: str, *, cwd: Path) -> Iterator[str]:
    """Run `src.ui` and give its address."""
    port = free_port()
    process = Command(("src.ui", place, f"port={port}"), cwd=cwd, env=environment())
    try:
        assert any("the runs are at" in line for line in process.stdout)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:////x?y.db"]
)
def test_an_address_of_sqlite_that_names_no_file_is_refused(tmp_path, uri):
    with pytest.raises(TrackingError, match="names no file"):
        connect(Tracking(uri=uri, folder=tmp_path))


def test_runs_that_are_the_first_to_name_their_images_at_once_all_name_them(tmp_path):
    """MLflow looks for the data, then adds them: between the two another run may have."""
    store = open_store(Tracking(folder=tmp_path))
    runs, rounds = 6, 5
    together = Barrier(runs)

    def begin(number: int) -> None:
        for digest in range(rounds):
            data = DataDescription("digits", str(digest), "here", {})
            together.wait(30)
            start_run(store, name=f"{digest}/{number}", data=data, params={}, tags={}, config={})

    with ThreadPoolExecutor(runs) as pool:
        list(pool.map(begin, range(runs)))
    named = [
        run.inputs.dataset_inputs[0].dataset.digest
        for run in store.client.search_runs([store.experiment_id])
    ]
    assert sorted(named) == sorted(str(digest) for digest in range(rounds) for _ in range(runs))
