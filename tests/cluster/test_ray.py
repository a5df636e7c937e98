"""Searches over a Ray cluster of several nodes that come, go and are killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from src.search.executors.ray.cluster import room
from src.tracking.owner import owner_of
from tests.cluster.ray_nodes import Cluster, Node
from tests.conftest import environment
from tests.data.tables import as_text, digit_rows, write
from tests.serving import Server
from tests.sweeping import FAST, Sweep, end, epochs_of, read_until, start_sweep, sweep, wait_until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes of Linux"),
]

SEARCH = (
    *("model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "sampler=random"),
    *("pruner=none", "confirm.seeds=0", "refit.seeds=0", "executor=ray"),
)


TRIALS, EPOCHS = 6, 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets: a short path
    cluster = Cluster(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.variables.items():
            patch.setenv(name, value)
        try:
            cluster.start_head(cpus=1)
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)


def owners(found: Sweep) -> dict[int, int]:
    """Return the process that works, or has worked last, on each trial."""
    tags = [run.data.tags for run in found.store.runs()]
    return {int(t["trial.number"]): owner_of(t).process for t in tags if "trial.number" in t}


def home_of(pid: int, nodes: list[Node]) -> Node | None:
    """Return the node that a process belongs to."""
    return next((node for node in nodes if pid in node.processes()), None)


@dataclass
class Story:
    """A search for three workers whose second node was killed after a third had come."""

    found: Sweep
    code: int
    errors: str
    first: dict[int, int]
    """Processes that trained the first trials, by number."""
    killed: int
    """The trial whose node was killed."""


@pytest.fixture(scope="module")
def story(cluster, tmp_path_factory) -> Story:
    found = Sweep(tmp_path_factory.mktemp("story"), "over")
    second = cluster.start_node()
    cluster.wait_for(second)
    driver = start_sweep(
        *(*SEARCH, *FAST, "name=over", f"n_trials={TRIALS}", f"trainer.max_epochs={EPOCHS}"),
        *(f"executor.address={cluster.address}", "executor.workers=3"),
        cwd=found.folder,
    )
    first: dict[int, int] = {}

    def both_stand_still() -> bool:
        for number in {0, 1} - set(first):
            if epochs_of(found.store, "trial", number) > 2:
                first[number] = owners(found)[number]
                os.kill(first[number], signal.SIGSTOP)  # until the third node has work
        return len(first) == 2

    wait_until(both_stand_still)
    third = cluster.start_node()
    wait_until(lambda: set(owners(found).values()) & third.processes())
    [killed] = (number for number, pid in first.items() if pid in second.processes())
    second.kill()
    [other] = set(first.values()) - {first[killed]}
    os.kill(other, signal.SIGCONT)
    code, _, errors = end(driver)
    return Story(found, code, errors, first, killed)


def test_a_search_over_nodes_meets_its_budget_exactly(story):
    assert (story.code, story.errors) == (0, "")
    story.found.assert_complete(TRIALS)


def test_a_node_that_comes_while_the_search_goes_on_gets_work(story):
    assert set(owners(story.found).values()) - set(story.first.values())


def test_a_killed_node_costs_its_trial_one_more_try(story):
    trials = {trial.number: trial for trial in story.found.trials()}
    assert list(trials) == list(range(TRIALS))  # it kept its number
    assert trials[story.killed].state == TrialState.COMPLETE
    assert sorted(trials[story.killed].intermediate_values) == list(range(1, EPOCHS + 1))
    assert owners(story.found)[story.killed] != story.first[story.killed]


def test_the_driver_s_death_ends_its_actors_and_the_search_goes_on(cluster, tmp_path):
    found = Sweep(tmp_path, "cut")
    arguments = (*SEARCH, *FAST, "name=cut", "n_trials=4", "trainer.max_epochs=30")
    arguments += (f"executor.address={cluster.address}",)
    driver = start_sweep(*arguments, cwd=found.folder)
    read_until(driver, "trial +[01] ")
    actors = set(owners(found).values())
    assert all(home_of(actor, cluster.nodes) for actor in actors)
    driver.kill()
    end(driver)
    wait_until(lambda: not any(home_of(actor, cluster.nodes) for actor in actors), within_s=20)
    finished = {trial.number for trial in found.finished}
    done = sweep(*arguments, cwd=found.folder)
    assert (done.returncode, done.stderr) == (0, "")
    found.assert_complete(4)
    assert finished < {trial.number for trial in found.finished}


def test_a_cluster_that_this_machine_does_not_belong_to_is_reached_as_well(cluster, tmp_path):
    found = Sweep(tmp_path, "client")
    done = sweep(
        *(*SEARCH, *FAST, "name=client", "n_trials=2", "trainer.max_epochs=3"),
        f"executor.address=ray://127.0.0.1:{cluster.client_port}",
        cwd=found.folder,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found.assert_complete(2)


@pytest.fixture(scope="module")
def elsewhere(cluster, tmp_path_factory) -> Path:
    """Return the driver's folder, which the cluster's only node with processors has not got."""
    folder = tmp_path_factory.mktemp("driver")
    write(folder / "digits.csv", as_text(digit_rows(400)))
    attempt = ("unshare", "--uts", "--mount", "hostname", "elsewhere")
    if subprocess.run(attempt, capture_output=True).returncode:
        pytest.skip("needs root to give a node a name of its own")
    machine = cluster.start_node(cpus=4, without=folder)
    cluster.wait_for(machine)
    return folder


def test_a_folder_of_one_machine_is_no_store_for_several(cluster, elsewhere):
    done = sweep(*SEARCH, *FAST, f"executor.address={cluster.address}", cwd=elsewhere)
    [line] = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("error: `tracking.uri`=null: the cluster has other machines (elsewhere)")
    assert not (elsewhere / "mlruns").exists()


def test_a_machine_without_project_data_or_shared_disk_trains_as_well(cluster, elsewhere, tmp_path):
    server = Server(tmp_path).start()
    try:
        done = sweep(
            *(*SEARCH, "name=far", "n_trials=2", "trainer.max_epochs=2", "trainer.threads=1"),
            *("data=csv", "data.path=digits.csv", f"tracking.uri={server.uri}"),
            *(f"executor.address={cluster.address}", "executor.workers=1"),
            "executor.cpus_per_worker=4",  # which only the other machine has
            cwd=elsewhere,
        )
    finally:
        server.kill()
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    client: MlflowClient = server.client
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    trials = [run for run in runs if "trial.number" in run.data.tags]
    assert [run.info.status for run in trials] == ["FINISHED"] * 2
    assert {owner_of(run.data.tags).host for run in trials} == {"elsewhere"}
    assert {run.data.params["data.path"] for run in trials} == {"digits.csv"}
    for run in trials:
        assert (tmp_path / "artifacts" / "1" / run.info.run_id).exists()
    [sent] = (cluster.folder / "cache").rglob("digits.csv")
    assert sent.read_bytes() == (elsewhere / "digits.csv").read_bytes()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "`executor.address`=127.0.0.1:1: no Ray answers there"),
        ("nowhere", "`executor.address`=nowhere: must be auto, HOST:PORT, ray://HOST:PORT"),
    ],
)
def test_an_address_where_no_ray_is_is_one_line(tmp_path, address, said):
    done = sweep(*SEARCH, *FAST, f"executor.address={address}", cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: {said}")


def test_what_no_node_has_is_one_line(cluster, tmp_path):
    wish = (f"executor.address={cluster.address}", "executor.cpus_per_worker=99")
    done = sweep(*SEARCH, *FAST, *wish, cwd=tmp_path)
    [line] = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("error: `executor.cpus_per_worker`=99, `executor.gpus_per_worker`=0: no")
    assert not (tmp_path / "mlruns").exists()


def test_without_ray_the_extra_is_named_before_anything_is_done(tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('not installed')")
    done = subprocess.run(
        [sys.executable, "-m", "src.sweep", *SEARCH, *FAST],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"},
        capture_output=True,
        text=True,
    )
    [line] = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.endswith("needs the extra `ray`: python -m pip install -e '.[ray]'")
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("node", "cpus", "gpus", "workers"),
    [
        ((8, 0), 1, 0, 8),
        ((8, 0), 3, 0, 2),
        ((8, 2), 1, 1, 2),
        ((8, 2), 1, 0.5, 4),
        ((8, 1), 1, 0.1, 8),
        ((2, 4), 1, 1, 2),
        ((8, 0), 1, 1, 0),
    ],
)
def test_a_node_has_room_for_as_many_workers_as_its_scarcest_part(node, cpus, gpus, workers):
    resources = dict(zip(("CPU", "GPU"), node, strict=True))
    assert room(resources, cpus=cpus, gpus=gpus) == workers
