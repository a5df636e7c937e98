"""Trainings killed at random moments: no ghosts, nothing lost, nothing twice."""

import os
import platform
import pty
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from src.tracking.owner import this_process
from src.tracking.store import open_store
from tests.conftest import TIMEOUT_S, TRAINING, Store, environment, python, start_training
from tests.plans import plan_of

pytestmark = pytest.mark.long

MANY = ("trainer.max_epochs=60",)


def doubled(folder: Path) -> list:
    """Return metrics that a run has more than once for a step, except those that say how long."""
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        return database.execute(
            "SELECT run_uuid, key, step, count(*) FROM metrics WHERE key NOT LIKE 'seconds/%' "
            "GROUP BY run_uuid, key, step HAVING count(*) > 1"
        ).fetchall()


def epochs_of(store: Store, run_id: str) -> list[tuple[int, float]]:
    return store.curve(run_id, "val_loss")


def resumable(folder: Path) -> list[str]:
    return [path.parent.name for path in (folder / "mlruns" / "runs").glob("*/last.ckpt")]


def kill_again_and_again(folder: Path, *, kills: int, seed: int) -> Store:
    """Kill a training at random moments, look at what is left, and let it end at last."""
    moments = random.Random(seed)
    store = Store(folder)
    seen: dict[str, list[tuple[int, float]]] = {}
    arguments: tuple[str, ...] = (*TRAINING, *MANY)
    for _ in range(kills):
        process = start_training(*arguments, cwd=folder)
        lines = moments.randint(0, 40)
        for _, line in zip(range(lines), process.stdout, strict=False):
            if not line.strip():
                break  # it is over but for the last words
        time.sleep(moments.uniform(0, 0.3) if lines else moments.uniform(0, 8))
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
        if not (folder / "mlruns" / "mlflow.db").exists():
            continue
        for run_id, curve in seen.items():
            assert epochs_of(store, run_id)[: len(curve)] == curve
        seen |= {run.info.run_id: epochs_of(store, run.info.run_id) for run in store.runs()}
        if resumable(folder):
            [run_id] = resumable(folder)
            arguments = (f"resume={run_id}",)
        elif arguments[0].startswith("resume="):
            break  # it came to its end before it was killed
    if resumable(folder):
        done = python("-m", "src.train", *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    python("-m", "src.train", *TRAINING, "trainer.max_epochs=1", cwd=folder)  # any next start
    return store


def check_end(store: Store, finished_epochs: int) -> None:
    """Check that nothing claims to run, and that what was gone on with is whole."""
    assert not doubled(store.folder)
    whole = 0
    for run in store.runs():
        assert run.info.status in {"FINISHED", "KILLED"}
        if run.info.status == "KILLED":
            assert run.data.tags["end_reason"] == "its process died"
            continue
        steps = [step for step, _ in epochs_of(store, run.info.run_id)]
        whole += len(steps) == finished_epochs
        assert steps == list(range(1, len(steps) + 1))
        pictures = list((store.artifacts(run.info.run_id) / "images").iterdir())
        assert len({p.name.split("+timestamp")[0] for p in pictures}) * 2 == len(pictures)
    assert whole <= 1
    assert not list((store.folder / "mlruns" / "runs").glob("*/last.ckpt"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_fifty_kills_of_trainings_lose_and_double_nothing(tmp_path, seed):
    check_end(kill_again_and_again(tmp_path, kills=5, seed=100 + seed), 60)


def kill_while_writing(folder: Path, name: str) -> Store:
    """Kill a training when it has logged its third epoch and begins to write a checkpoint."""
    code = f"""
import os, signal, sys
from src.models.checkpoints import WholeCheckpoints
save = WholeCheckpoints.save_checkpoint
def save_or_die(self, checkpoint, path, storage_options=None):
    if checkpoint["epoch"] == 2 and str(path).endswith("{name}"):
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, checkpoint, path, storage_options)
WholeCheckpoints.save_checkpoint = save_or_die
import runpy
sys.argv = ["train", *{TRAINING!r}, "trainer.max_epochs=5"]
runpy.run_module("src.train", run_name="__main__")
"""
    killed = python("-c", code, cwd=folder)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return Store(folder)


def test_an_epoch_logged_but_not_kept_is_trained_again_and_logged_once(tmp_path):
    store = kill_while_writing(tmp_path, "last.ckpt")
    run = store.only_run()
    assert run.info.status == "RUNNING"
    assert len(epochs_of(store, run.info.run_id)) == 3
    open_store(plan_of(f"tracking.folder={tmp_path}/mlruns").tracking)  # as any next start does
    run = store.only_run()
    assert (run.info.status, run.data.tags["end_reason"]) == ("KILLED", "its process died")
    assert (store.artifacts(run.info.run_id) / "checkpoint" / "best.ckpt").exists()
    done = python("-m", "src.train", f"resume={run.info.run_id}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch 3/5" in done.stdout
    assert [step for step, _ in epochs_of(store, run.info.run_id)] == [1, 2, 3, 4, 5]
    assert not doubled(tmp_path)
    run = store.only_run()
    assert (run.info.status, run.data.tags.get("end_reason")) == ("FINISHED", None)


@pytest.mark.slow  # test_store.py starts several commands at once
def test_six_first_trainings_at_once_are_six_finished_runs(tmp_path):
    with ThreadPoolExecutor(6) as pool:
        line = (*TRAINING, "trainer.max_epochs=2")
        done = list(
            pool.map(
                lambda s: python("-m", "src.train", *line, f"seed={s}", cwd=tmp_path), range(6)
            )
        )
    assert [d.returncode for d in done] == [0] * 6, [d.stderr for d in done]
    runs = Store(tmp_path).runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 6
    assert sorted(run.data.params["seed"] for run in runs) == [str(seed) for seed in range(6)]
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]


def test_an_owner_is_told_from_a_later_process_of_the_same_number_and_from_a_dead_one():
    mine = this_process(Path())
    assert mine.host == platform.node()
    assert mine.is_alive
    assert not replace(mine, started="1").is_alive
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    stat = Path(f"/proc/{child.pid}/stat")
    its = replace(mine, process=child.pid)
    if stat.exists():
        its = replace(its, started=stat.read_text().rpartition(") ")[2].split()[19])
        assert its.is_alive
    os.kill(child.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert not its.is_alive  # a zombie, which nobody has waited for
    child.wait()
    assert not its.is_alive


@pytest.mark.slow
def test_a_closed_terminal_ends_a_training_tidily(tmp_path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "src.train", *TRAINING, "trainer.max_epochs=4000"]
        os.execve(sys.executable, command, environment())
    seen = b""
    while b"accuracy" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    run = Store(tmp_path).only_run()
    assert (run.info.status, run.data.tags["end_reason"]) == ("KILLED", "stopped by SIGHUP")
    assert (Store(tmp_path).artifacts(run.info.run_id) / "checkpoint" / "best.ckpt").exists()
