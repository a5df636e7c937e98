"""The store under many first starts, behind a real server, and where it is damaged."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow import MlflowClient

from src.errors import StoreAway, TrackingError
from src.settings import Tracking
from src.tracking.connection import connect
from tests.conftest import python
from tests.serving import Server, behind_login

FAST = ("data=digits", "trainer.threads=1", "trainer.max_epochs=2")


def train(*overrides: str, cwd):
    return python("-m", "src.train", *FAST, *overrides, cwd=cwd)


def statuses(uri: str) -> list[str]:
    client = MlflowClient(tracking_uri=uri)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return sorted(run.info.status for run in client.search_runs(experiments))


def test_several_first_starts_at_once_share_one_sound_store(tmp_path):
    file = tmp_path / "store" / "own.db"  # tests/faults has six of them in an empty folder
    place = f"tracking.uri=sqlite:///{file}"
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda s: train(f"seed={s}", place, cwd=tmp_path), range(3)))
    assert [d.returncode for d in done] == [0, 0, 0], [d.stderr for d in done]
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


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path).start()
    yield server.uri
    server.kill()


def test_a_run_on_a_real_server_is_whole_and_no_password_is_kept(tmp_path, server):
    address = server.replace("http://", "http://anna:secret@")
    done = train(f"tracking.uri={address}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert statuses(server) == ["FINISHED"]
    client = MlflowClient(tracking_uri=server)
    [run] = client.search_runs(["1"])
    assert {f.path for f in client.list_artifacts(run.info.run_id, "figures")} >= {
        "figures/confusion_matrix.png",
        "figures/first_layer_weights.png",
    }
    kept = client.download_artifacts(run.info.run_id, "config.yaml", str(tmp_path))
    assert "secret" not in open(kept).read()  # noqa: SIM115, PTH123


def test_a_server_behind_a_login_lets_in_who_has_it_and_says_so_to_others(
    tmp_path, server, monkeypatch
):
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
        assert train(f"tracking.uri={inside}", cwd=tmp_path).returncode == 0
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geh@im")
        assert train(f"tracking.uri={address}", cwd=tmp_path).returncode == 0
    assert statuses(server) == ["FINISHED"] * 2


def test_a_login_that_only_the_data_ask_for_is_nothing_to_wait_for(tmp_path):
    with behind_login(1, "anna:geheim", health_is_open=True) as address:
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME") as told:
            connect(Tracking(uri=address, folder=tmp_path))
        assert not isinstance(told.value, StoreAway)
