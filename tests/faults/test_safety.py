"""What comes from elsewhere runs no code, names lead nowhere, and passwords stay unsaid."""

import contextlib
import os
import pickle
import time
from pathlib import Path

import pytest
import torch

from src.config.settings import hide_credentials, without_password
from src.errors import ConfigError, DataError
from src.models.checkpoints import WholeCheckpoints, read_checkpoint
from src.models.predictor import load_predictor
from tests.conftest import TIMEOUT_S, TRAINING, Store, python
from tests.plans import plan_of, problems_of, train_plan
from tests.sweeping import FAST, start_sweep


class Planted:
    """Pickles to a call that would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("form", ["archive", "bare pickle"])
def test_a_planted_pickle_is_refused(tmp_path, form):
    trace, checkpoint = tmp_path / "trace", tmp_path / "best.ckpt"
    if form == "archive":
        torch.save({"state_dict": {}, "progress": Planted(trace)}, checkpoint)
    else:
        checkpoint.write_bytes(pickle.dumps(Planted(trace)))
    for load in (read_checkpoint, load_predictor, WholeCheckpoints().load_checkpoint):
        with pytest.raises(DataError, match="holds more than tensors and plain values"):
            load(checkpoint)
    assert not trace.exists()
    with contextlib.suppress(RuntimeError):  # about the form, when it is too late
        torch.load(checkpoint, weights_only=False)  # the plant would have worked
    assert trace.exists()


def test_a_checkpoint_that_names_a_class_from_elsewhere_is_refused(tmp_path, finished):
    stored = read_checkpoint(finished.artifacts / "checkpoint" / "best.ckpt")
    for target in ("os.system", "src.cli.entry.os.system", "subprocess.Popen"):
        stored["description"]["model"] = {"target": target, "arguments": {}}
        torch.save(stored, tmp_path / "best.ckpt")
        with pytest.raises(ConfigError, match="may only name one of"):
            load_predictor(tmp_path / "best.ckpt")


@pytest.mark.parametrize("at", ["cut", "empty", "noise"])
def test_a_damaged_checkpoint_is_told_in_a_line(tmp_path, finished, at):
    whole = (finished.artifacts / "checkpoint" / "best.ckpt").read_bytes()
    damaged = {"cut": whole[: len(whole) // 2], "empty": b"", "noise": os.urandom(5000)}[at]
    (tmp_path / "best.ckpt").write_bytes(damaged)
    with pytest.raises(DataError, match="is damaged") as told:
        read_checkpoint(tmp_path / "best.ckpt")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "target",
    ["os.system", "builtins.eval", "src.cli.entry.os.system", "torch.optim.adam.torch.load", "src"],
)
@pytest.mark.parametrize("group", ["model", "data", "optimizer", "scheduler"])
def test_a_target_outside_of_the_list_is_refused(group, target):
    problems = problems_of(f"{group}._target_={target}")
    assert any(f"`{group}._target_`='{target}'" in p and "may only name" in p for p in problems)


NAMES = ["../../evil", "/evil", "a/../../../evil", "..", ".", "x\0y"]


@pytest.mark.parametrize("name", ["../../evil", "/evil", "..", "a/b", ".hidden", "n" * 300])
def test_a_sweeps_name_that_leads_elsewhere_is_refused(tmp_path, name):
    from src.search.request import _checked

    with pytest.raises(ConfigError, match="may have letters"):
        _checked(name)


def test_labels_and_names_of_runs_lead_nowhere(tmp_path, monkeypatch):
    """Names with ../ stay words: in the store, on the figures, never in a path."""
    inside = tmp_path / "a" / "b" / "c"
    inside.mkdir(parents=True)
    rows = [f"{label},{p},{255 - p},{p},0" for label in NAMES[:4] for p in range(0, 250, 10)]
    (inside / "table.csv").write_text("\n".join(rows) + "\n")
    before = {path for path in tmp_path.rglob("*") if inside not in path.parents}
    monkeypatch.chdir(inside)
    plan = plan_of(
        *("data=csv", "data.path=table.csv", "name=../../evil", "tracking.experiment=../../evil"),
        *("trainer.max_epochs=1", "model.hidden_sizes=[4]", "trainer.threads=1"),
    )
    train_plan(plan)
    assert {path for path in tmp_path.rglob("*") if inside not in path.parents} == before
    assert {path.name for path in inside.iterdir()} == {"table.csv", "mlruns"}
    run = Store(inside).only_run()
    assert run.info.run_name == "../../evil"
    assert Path(Store(inside).artifacts(run.info.run_id)).is_relative_to(inside / "mlruns")


@pytest.mark.parametrize(
    "address",
    [
        "http://anna:geheim@127.0.0.1:9",
        "https://anna:geh/eim@127.0.0.1:9/path",
        "http://anna:geh@eim@127.0.0.1:9",
        "postgresql://anna:geheim@127.0.0.1/x",
        "postgresql+psycopg://anna:geh@/:eim@127.0.0.1:5432/x",
        "mysql://127.0.0.1/x?password=geheim",
    ],
)
def test_a_password_is_never_shown(address, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"):
        monkeypatch.setenv(name, "before")
    assert "eim" not in without_password(address)
    for key in ("tracking.uri", "storage", "++tracking.uri", "tracking"):
        [argument] = hide_credentials([f"{key}={address}"])
        if not address.startswith("mysql"):
            assert "eim" not in argument
            assert argument.startswith(f"{key}={address.partition('anna')[0]}")
            [argument] = hide_credentials([f"{key}={{uri:'{address}'}}"])
            assert "eim" not in argument
    if address.startswith("http"):
        assert os.environ["MLFLOW_TRACKING_USERNAME"] == "anna"
        assert "eim" in os.environ["MLFLOW_TRACKING_PASSWORD"]
    if address.startswith("postgresql"):
        assert "eim" in os.environ["PGPASSWORD"]


FREE_TEXT = "see http://wiki/page, ask bob@example.com or postgresql://db:x@host"


def test_words_that_look_like_a_password_stay_in_a_text(tmp_path):
    done = python("-m", "src.train", *TRAINING[:3], f"name='{FREE_TEXT}'", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Store(tmp_path).only_run().info.run_name == FREE_TEXT


@pytest.mark.parametrize(
    ("argument", "user", "password"),
    [
        (f"reason='{FREE_TEXT}'", "anna", "geheim"),
        ("tracking.uri=http://host:5000", "anna", "geheim"),
        ("tracking.uri=http://bob@host:5000", "bob", "geheim"),
    ],
)
def test_a_login_in_the_environment_stays_where_the_address_has_none(
    argument, user, password, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim")
    assert hide_credentials([argument]) == [argument.replace("bob@host", "host")]
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == user
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == password


def test_a_password_is_in_no_file_of_a_grid_and_not_on_the_screen(tmp_path):
    line = ("data=digits", "tracking.uri=http://anna:geheim@127.0.0.1:9", "seed=1,2")
    for arguments in (("-m", *line), (*line[:2], "--cfg", "job"), (line[1] + "{", "seed=1")):
        done = python("-m", "src.train", *arguments, cwd=tmp_path)
        assert "geheim" not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"geheim" not in path.read_bytes()


def listening(session: int) -> set[str]:
    """Return the addresses that the processes of a session listen on, in the kernel's notation."""
    sockets = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(") ")[2].split()[3]) != session:
                continue
            sockets |= {str(entry.readlink()) for entry in (stat.parent / "fd").iterdir()}
        except OSError:
            continue  # it has just ended
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets and (fields[3] == "0A" or "udp" in table):
                found.add(fields[1].partition(":")[0])
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the sockets of Linux")
def test_a_search_with_workers_listens_nowhere(tmp_path):
    line = (*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "n_trials=2")
    driver = start_sweep(
        *line,
        "confirm.seeds=0",
        "refit.seeds=0",
        "executor=processes",
        "executor.workers=2",
        cwd=tmp_path,
    )
    heard: set[str] = set()
    while driver.poll() is None:
        heard |= listening(driver.pid)
        time.sleep(0.1)
    _, errors = driver.communicate(timeout=TIMEOUT_S)
    assert driver.returncode == 0, errors
    assert heard == set()
