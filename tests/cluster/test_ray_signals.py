"""A search with a Ray of its own, ended by signals: the runs have ended, and so has its Ray."""

import os
import signal
import time
from pathlib import Path

import pytest

from src.config.settings import Tracking
from src.tracking.store import open_store
from tests.faults.test_sweep_kills import interrupt
from tests.sweeping import FAST, Sweep, epochs_of, processes_of, start_sweep, wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes of Linux"),
]

SEARCH = (
    *(*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "sampler=random"),
    *("name=cut", "n_trials=4", "trainer.max_epochs=500", "executor=ray", "executor.workers=1"),
)
LAST_OF_RAY = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""What looks for a minute for the rest of its Ray, where that was killed."""


def names_of(session: int) -> dict[int, str]:
    """Return the living processes of a session with their names."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(session)}
    return {pid: line.replace(b"\0", b" ").decode().strip() for pid, line in lines.items()}


def test_signals_end_runs_and_ray_and_the_search_goes_on(tmp_path):
    found = Sweep(tmp_path, "cut")

    def started(number: int):
        driver = start_sweep(*SEARCH, cwd=found.folder)
        wait_until(lambda: epochs_of(found.store, "trial", number) > 2, within_s=300)
        return driver

    interrupt(found, started(0), "SIGTERM")  # which looks for processes that are left

    driver = started(1)
    driver.send_signal(signal.SIGINT)
    time.sleep(0.7)  # else two signals may be heard as one
    driver.send_signal(signal.SIGINT)
    output, errors = driver.communicate(timeout=5)
    assert (driver.returncode, errors) == (130, "")
    assert "goes on from here" not in output  # it left at once
    wait_until(lambda: set(names_of(driver.pid).values()) <= LAST_OF_RAY, within_s=20)
    open_store(Tracking(folder=found.folder / "mlruns"))  # as any next start does
    assert {run.info.status for run in found.store.runs()} == {"KILLED"}
    for pid in names_of(driver.pid):
        os.kill(pid, signal.SIGKILL)
