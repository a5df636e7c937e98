"""A search over an MLflow server and PostgreSQL, each killed in its middle, and its driver too."""

import json
import signal
from itertools import pairwise
from pathlib import Path
from subprocess import Popen

import psycopg
import pytest
from optuna.trial import TrialState

from src.config.settings import Tracking
from src.search.doctor import reconcile
from tests.cluster.conftest import Cluster, ClusterSweep
from tests.cluster.postgres import PASSWORD, Postgres
from tests.faults.test_sweep_kills import processes_of, read_until, wait_until
from tests.sweeping import FAST, start_sweep

pytestmark = pytest.mark.cluster

N_TRIALS, EPOCHS = 12, 40
WITHIN_S = 300
"""How long a session may take, on a machine that is busy with other work too."""
SEARCH = (
    *(*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "name=far"),
    *("sampler=random", f"n_trials={N_TRIALS}", "confirm.seeds=1", f"trainer.max_epochs={EPOCHS}"),
    *("executor=processes", "executor.workers=2"),
)
IMPATIENT = """
import runpy, sys
from src.search import patience
patience.PATIENCE_S = 2.0
sys.argv[0] = "src.sweep"
runpy.run_module("src.sweep", run_name="__main__")
"""
"""`python -m src.sweep`, but for how long it waits for its database."""


def epochs_kept(folder: Path) -> int:
    """Return how many epochs' numbers wait in a folder for the server to be back."""
    kept = [path.read_text().splitlines()[1:] for path in folder.glob("mlruns/runs/*/unsent.jsonl")]
    return sum("metrics" in json.loads(line) for lines in kept for line in lines[:-1])


def is_early(postgres: Postgres) -> bool:
    """Tell whether a trial has begun to train, and is far from its end."""
    query = """
        SELECT 1 FROM trials JOIN trial_intermediate_values USING (trial_id)
        WHERE state = 'RUNNING' GROUP BY trial_id HAVING count(*) < %s
    """
    with postgres.connect("studies") as connection:
        try:
            return connection.execute(query, [EPOCHS // 4]).fetchone() is not None
        except psycopg.errors.UndefinedTable:
            return False


def start(*arguments: str, cwd: Path, how: tuple[str, ...] = ("-m", "src.sweep")) -> Popen[str]:
    """Start a search as `start_sweep` does, but let it write its errors to a file."""
    with (cwd / "errors.txt").open("w") as errors:
        return start_sweep(*arguments, cwd=cwd, how=how, errors=errors)


def errors_in(folder: Path) -> str:
    return (folder / "errors.txt").read_text()


def ended(driver: Popen[str], folder: Path) -> tuple[int, str]:
    """Return how a driver ended, once all its processes are gone, and what its errors were."""
    driver.communicate(timeout=WITHIN_S)
    wait_until(lambda: not processes_of(driver.pid), within_s=20)
    return driver.returncode, errors_in(folder)


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory):
    """Search in four sessions: two that are killed, one that gives up, one that comes to the end.

    The first is in a folder of its own, as on another machine.
    """
    postgres, server = cluster.postgres, cluster.server
    first, later = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("later")
    studies = postgres.create("studies")
    found = ClusterSweep(later, "far", studies, server.database)
    line = (*SEARCH, *cluster.tracking, f"storage={studies}")
    told: dict[str, tuple[int, str]] = {}
    finished = {}

    def note(session: str, driver: Popen[str], folder: Path) -> None:
        told[session] = ended(driver, folder)
        finished[session] = {trial.number: trial for trial in found.finished}

    drivers = [driver := start(*line, cwd=first)]
    try:
        wait_until(lambda: is_early(postgres))
        server.kill()
        wait_until(lambda: epochs_kept(first) > 5)  # the training goes on
        server.start()
        read_until(driver, "trial ")
        wait_until(lambda: is_early(postgres))
        postgres.stop()
        wait_until(lambda: "Optuna's storage postgresql" in errors_in(first))
        postgres.start()
        wait_until(lambda: "Optuna's storage is back after" in errors_in(first))
        wait_until(lambda: not list(first.glob("mlruns/runs/*/unsent.jsonl")))  # only it can send
        driver.kill()
        note("killed", driver, first)

        drivers.append(driver := start(*line, cwd=later))
        read_until(driver, "trial ")
        wait_until(lambda: is_early(postgres))  # else nobody needs the database for a while
        postgres.stop()
        wait_until(lambda: "Optuna's storage postgresql" in errors_in(later))
        driver.send_signal(signal.SIGTERM)
        told["stopped"] = ended(driver, later)
        postgres.start()
        finished["stopped"] = {trial.number: trial for trial in found.finished}

        drivers.append(driver := start(*line, cwd=later, how=("-c", IMPATIENT)))
        read_until(driver, "trial ")
        wait_until(lambda: is_early(postgres))  # else nobody needs the database for a while
        postgres.stop()
        told["gave up"] = ended(driver, later)
        postgres.start()
        finished["gave up"] = {trial.number: trial for trial in found.finished}

        drivers.append(driver := start(*line, cwd=later))
        note("done", driver, later)
    finally:
        for driver in drivers:
            driver.kill()
    return found, told, finished


def test_the_budget_is_exact_and_both_stores_agree(story):
    found, told, finished = story
    code, errors = told["done"]
    assert code == 0, errors
    found.assert_complete(N_TRIALS)
    for before, after in pairwise(["killed", "stopped", "gave up", "done"]):
        assert finished[before].items() <= finished[after].items()
    assert len(finished["killed"]) >= 2
    for number, run in found.children().items():
        steps = [step for step, _ in found.store.curve(run.info.run_id, "val_loss")]
        assert steps == list(range(1, len(steps) + 1)), number
    for trial in found.trials(TrialState.COMPLETE):
        assert sorted(trial.intermediate_values) == list(range(1, EPOCHS + 1))


def test_the_doctor_finds_all_well(cluster: Cluster, story):
    found, _, _ = story
    tracking = Tracking(uri=cluster.server.uri, folder=found.folder / "mlruns")
    assert reconcile(tracking, found.studies) == ([], [])


def test_every_session_says_what_is_away_and_how_it_ended(story):
    _, told, _ = story
    for _, errors in told.values():
        assert "Traceback" not in errors
        assert PASSWORD not in errors
    code, errors = told["stopped"]
    assert code == 143
    assert errors.splitlines()[-1] == "stopped by SIGTERM"
    code, errors = told["gave up"]
    assert code == 1
    assert "the same command goes on from there" in errors.splitlines()[-1]
