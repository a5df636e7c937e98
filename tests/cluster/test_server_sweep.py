"""A search over an MLflow server and PostgreSQL, each killed in its middle, and its driver too."""

import json
from itertools import pairwise
from pathlib import Path
from subprocess import Popen

import psycopg
import pytest
from optuna.trial import TrialState

from tests.cluster.conftest import Cluster, ClusterSweep
from tests.cluster.postgres import PASSWORD, Postgres
from tests.faults.test_sweep_kills import processes_of, read_until, wait_until
from tests.sweeping import FAST, start_sweep

pytestmark = pytest.mark.cluster

N_TRIALS, EPOCHS = 12, 40
ENDED = r"trial +\d+  "
"""A trial's line; one that had no driver any more is told in words."""
WITHIN_S = 300
"""How long a session may take, on a machine that is busy with other work too."""
SEARCH = (
    *(*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "name=far"),
    *(
        "sampler=random",
        f"n_trials={N_TRIALS}",
        "confirm.top=1",
        "confirm.seeds=1",
        "refit.seeds=0",
        f"trainer.max_epochs={EPOCHS}",
    ),
    *("executor=processes", "executor.workers=2"),
)


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


def ended(driver: Popen[str]) -> tuple[int, str]:
    """Return how a driver ended, once all its processes are gone, and what its errors were."""
    _, errors = driver.communicate(timeout=WITHIN_S)
    wait_until(lambda: not processes_of(driver.pid), within_s=20)
    return driver.returncode, errors


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory):
    """Search in three sessions: one is killed, one loses its database, one comes to the end.

    The first is in a folder of its own, as on another machine.
    """
    postgres, server = cluster.postgres, cluster.server
    first, later = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("later")
    studies = postgres.create("studies")
    found = ClusterSweep(later, "far", studies, server.database)
    line = (*SEARCH, *cluster.tracking, f"storage={studies}")
    told: dict[str, tuple[int, str]] = {}
    finished = {}

    drivers = [driver := start_sweep(*line, cwd=first)]
    try:
        wait_until(lambda: is_early(postgres), within_s=WITHIN_S)
        server.kill()
        wait_until(lambda: epochs_kept(first) > 5)  # the training goes on
        server.start()
        read_until(driver, ENDED)
        wait_until(lambda: not list(first.glob("mlruns/runs/*/unsent.jsonl")))  # only it can send
        driver.kill()
        told["killed"] = ended(driver)
        finished["killed"] = {trial.number: trial for trial in found.finished}

        drivers.append(driver := start_sweep(*line, cwd=later))
        read_until(driver, ENDED)
        wait_until(
            lambda: is_early(postgres), within_s=WITHIN_S
        )  # else nobody needs the database for a while
        postgres.stop()
        try:
            told["cut off"] = ended(driver)
        finally:
            postgres.start()
        finished["cut off"] = {trial.number: trial for trial in found.finished}

        drivers.append(driver := start_sweep(*line, cwd=later))
        told["done"] = ended(driver)
        finished["done"] = {trial.number: trial for trial in found.finished}
    finally:
        for driver in drivers:
            driver.kill()
    return found, told, finished


def test_the_budget_is_exact_and_both_stores_agree(story):
    found, told, finished = story
    code, errors = told["done"]
    assert code == 0, errors
    found.assert_complete(N_TRIALS)
    for before, after in pairwise(["killed", "cut off", "done"]):
        assert finished[before].items() <= finished[after].items()
    assert len(finished["killed"]) < len(finished["cut off"]) < N_TRIALS
    for number, run in found.children().items():
        steps = [step for step, _ in found.store.curve(run.info.run_id, "val_loss")]
        assert steps == list(range(1, len(steps) + 1)), number
    for trial in found.trials(TrialState.COMPLETE):
        assert sorted(trial.intermediate_values) == list(range(1, EPOCHS + 1))


def test_study_and_runs_agree(story):
    found, _, _ = story
    found.assert_agreement()


def test_a_lost_database_ends_the_session_with_one_line(story):
    _, told, _ = story
    for _, errors in told.values():
        assert "Traceback" not in errors
        assert PASSWORD not in errors
    code, errors = told["cut off"]
    assert code == 1
    assert errors.splitlines()[-1].startswith(
        "error: Optuna's storage postgresql+psycopg://127.0.0.1:"
    )
    assert errors.count("the same command resumes from there") == 1
