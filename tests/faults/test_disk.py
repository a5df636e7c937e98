"""Disks that are full or read-only: one clear line, and what was there before is as it was."""

import contextlib
import random
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from src.errors import TrackingError, disk_trouble
from src.tracking.runs import find_interrupted
from src.tracking.store import open_store
from tests.conftest import Store, python
from tests.plans import QUICK, plan_of, train_plan
from tests.sweeping import FAST, Sweep, start_sweep, sweep


@dataclass(frozen=True)
class Disk:
    """A file system in memory, small enough to be filled."""

    folder: Path

    def leave(self, free: int) -> None:
        """Fill the disk until only so many bytes are free, to the next kilobyte."""
        report = subprocess.check_output(["df", "--output=avail", "-k", self.folder], text=True)
        size = int(report.split()[-1]) * 1024 - free
        with contextlib.suppress(OSError), (self.folder / "filling").open("wb") as file:
            for _ in range(size // 1024):
                file.write(bytes(1024))

    def clear(self) -> None:
        (self.folder / "filling").unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", self.folder], check=True)

    def digests(self, run_id: str) -> dict[str, str]:
        """Return the SHA-256 of every artifact of a run."""
        files = Store(self.folder).artifacts(run_id).rglob("*")
        return {str(f): sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}


@pytest.fixture
def disk(tmp_path, request):
    folder = tmp_path / "disk"
    folder.mkdir()
    size = getattr(request, "param", "16m")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def plan_for(disk: Disk, *overrides: str):
    folder = f"tracking.folder={disk.folder}/mlruns"
    return plan_of(*QUICK, "trainer.max_epochs=3", folder, *overrides)


def train_with(plan):
    return train_plan(plan)


def fill_and_train(disk: Disk, free: int) -> str:
    """Train on a disk with so little room; return how it ended, and check what is left."""
    before = train_with(plan_for(disk))
    digests = disk.digests(before.run_id)
    disk.leave(free)
    try:
        train_with(plan_for(disk, "seed=2"))
    except (OSError, TrackingError) as error:
        told = disk_trouble(error) or str(error)
        assert re.search("No space left on device|database or disk is full", told), told
        ended = told
    else:
        ended = "finished"
    disk.clear()
    assert disk.digests(before.run_id) == digests
    database = disk.folder / "mlruns" / "mlflow.db"
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left = [path.parent.name for path in (disk.folder / "mlruns/runs").glob("*/last.ckpt")]
    for run_id in left:  # what had begun goes on to its end
        _, config = find_interrupted(open_store(plan_for(disk).tracking), run_id)
        assert config["seed"] == 2
        again = train_with(plan_for(disk, "seed=2", f"resume={run_id}"))
        assert again.run_id == run_id
        assert Store(disk.folder).client.get_run(run_id).info.status == "FINISHED"
    return ended


@pytest.mark.parametrize("free", [500_000, pytest.param(1_100_000, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_training_and_harms_nothing(disk, free):
    assert fill_and_train(disk, free) != "finished"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_a_disk_that_is_full_at_any_point_harms_nothing(disk, seed):
    print(fill_and_train(disk, random.Random(seed).randrange(0, 2_000_000)))


@pytest.mark.slow
def test_a_training_on_a_full_or_read_only_disk_says_so_in_a_line(disk):
    disk.leave(2_200_000)
    done = python("-m", "src.train", *QUICK, "trainer.max_epochs=3", cwd=disk.folder)
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device; make room" in last
    assert "Traceback" not in done.stderr
    disk.clear()
    disk.remount("ro")
    done = python("-m", "src.train", *QUICK, cwd=disk.folder)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "cannot be written (read-only)" in line


@pytest.mark.slow
@pytest.mark.parametrize("disk", ["40m"], indirect=True)
def test_a_search_on_a_disk_that_fills_up_keeps_its_trials_and_goes_on(disk):
    arguments = (*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "name=full")
    arguments += (
        "n_trials=5",
        "confirm.top=1",
        "confirm.seeds=1",
        "refit.seeds=0",
        "trainer.max_epochs=6",
        "sampler=random",
    )
    driver = start_sweep(*arguments, cwd=disk.folder)
    for line in driver.stdout:
        if line.startswith("trial"):
            break
    disk.leave(100_000)
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: ")
    found = Sweep(disk.folder, "full")
    finished = {trial.number: trial for trial in found.finished}
    assert finished
    disk.clear()
    time.sleep(0.1)
    done = sweep(*arguments, cwd=disk.folder)
    assert done.returncode == 0, done.stderr
    found.assert_complete(5)
    assert finished.items() <= {trial.number: trial for trial in found.finished}.items()
