"""A store that hangs, dies, is locked or moves away: the training goes on, and all arrives once."""

import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient

from src.errors import TrackingUnavailable
from src.process.signals import Halted
from src.tracking.recovery import flush
from src.tracking.store import open_store
from tests.conftest import Store
from tests.plans import QUICK, plan_of, train_plan
from tests.serving import Server
from tests.sweeping import FAST, Sweep, start_sweep

pytestmark = pytest.mark.long

EPOCHS = 8
PICTURES = {"confusion_matrix", "first_layer_weights", "learning_curves", "misclassified"}


def plan_for(server: Server, folder: Path, *overrides: str):
    return plan_of(
        *QUICK,
        f"trainer.max_epochs={EPOCHS}",
        f"tracking.uri={server.uri}",
        f"tracking.folder={folder}/mlruns",
        *overrides,
    )


def train_with(plan, *, after_epoch=lambda epoch, metrics: None, **more):
    return train_plan(
        plan,
        after_epoch=after_epoch,
        **more,
    )


def assert_whole(server: Server, run_id: str) -> None:
    """Check that the run is finished and that the server has everything exactly once."""
    run = server.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["test.looks"] == "1"
    for key in run.data.metrics:
        steps = [metric.step for metric in server.client.get_metric_history(run_id, key)]
        once = list(range(1, EPOCHS + 1)) if key.startswith("all epochs/") else [0]
        assert sorted(steps) == once, key
    folder = server.folder / "artifacts" / run.info.experiment_id / run_id / "artifacts"
    assert {path.stem for path in (folder / "figures").iterdir()} >= PICTURES
    series = Counter(path.name.split("+timestamp")[0] for path in (folder / "images").iterdir())
    assert set(series.values()) == {2}  # each picture and its small copy
    [model] = server.client.search_logged_models(
        [run.info.experiment_id], f"source_run_id='{run_id}'"
    )
    assert model.status == "READY"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    server.kill()


def test_a_server_that_hangs_for_a_while_gets_all_of_it_once(tmp_path, server, capsys):
    times = {}

    def hang(epoch, metrics):
        times[epoch] = time.monotonic()
        if epoch == 2:
            server.signal("SIGSTOP")
        if epoch == 6:
            server.signal("SIGCONT")

    result = train_with(plan_for(server, tmp_path), after_epoch=hang)
    assert times[6] - times[2] < 10  # a hanging server holds nothing up for long
    assert_whole(server, result.run_id)
    assert list((tmp_path / "mlruns" / "runs").iterdir()) == []
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith("the tracking store is unreachable (")


def test_a_server_that_dies_for_good_gets_it_all_from_the_next_training(tmp_path, server, capsys):
    plan = plan_for(server, tmp_path)
    result = train_with(plan, after_epoch=lambda epoch, _: server.kill() if epoch == 3 else None)
    assert result.epochs == EPOCHS
    kept = tmp_path / "mlruns" / "runs" / result.run_id / "unsent.jsonl"
    assert f"kept in {kept.parent}" in capsys.readouterr().err
    assert server.client.get_run(result.run_id).info.status == "RUNNING"
    before = kept.read_bytes()
    flush(open_store(local(tmp_path).tracking))  # another store
    assert kept.read_bytes() == before
    with kept.open("ab") as file:
        file.write(b'{"metrics": [["half a li')  # as a power cut leaves it
    server.start()
    later = train_with(plan)
    assert_whole(server, result.run_id)
    assert_whole(server, later.run_id)
    assert list((tmp_path / "mlruns" / "runs").iterdir()) == []


def stop_at(epoch: int, last: int) -> None:
    if epoch == last:
        raise Halted("stopped")


def test_a_run_that_is_gone_on_with_waits_for_a_server_as_a_new_one_does(tmp_path, server, capsys):
    started: list[str] = []
    plan = plan_for(server, tmp_path)
    with pytest.raises(Halted):
        train_with(
            plan, after_epoch=lambda e, _: stop_at(e, 3), on_start=lambda *s: started.append(s[0])
        )
    again, store = replace(plan, resume=started[0]), open_store(plan.tracking)
    server.kill()
    with pytest.raises(TrackingUnavailable):
        train_with(again, store=store)  # by hand: who looks on would rather know
    asked = count()

    def come_back_when_waited_for() -> None:
        if next(asked) == 1:  # it asks first before it begins, then while it waits
            server.start()

    result = train_with(
        again, store=store, parent="a sweep's run", check_stop=come_back_when_waited_for
    )
    assert result.run_id == started[0]
    run = server.client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert "end_reason" not in run.data.tags
    assert "a trial waits up to 10 minutes" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_kept_for_a_run_that_was_deleted_is_put_aside(tmp_path, server, capsys):
    plan = plan_for(server, tmp_path)
    result = train_with(plan, after_epoch=lambda epoch, _: server.kill() if epoch == 3 else None)
    server.start()
    server.client.delete_run(result.run_id)
    capsys.readouterr()
    open_store(plan.tracking)  # which sends what is kept
    assert "the store refuses it" in capsys.readouterr().err
    [aside] = (tmp_path / "mlruns" / "runs").glob("*/unsent.*")
    assert aside.name == "unsent.refused"


@pytest.mark.slow
def test_a_search_goes_on_when_its_server_has_been_away(tmp_path, server):
    line = (*FAST, "model=dnn", "optimizer.lr=tag(log, interval(1e-4, 1e-1))", "name=away")
    line += (
        "n_trials=4",
        "confirm.top=1",
        "confirm.seeds=1",
        "refit.seeds=0",
        "trainer.max_epochs=20",
        "pruner=none",
    )
    driver = start_sweep(*line, f"tracking.uri={server.uri}", cwd=tmp_path)
    for told in driver.stdout:
        if told.startswith("trial"):
            server.kill()
            time.sleep(10)
            server.start()
            break
    output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, output + errors
    study = Sweep(tmp_path, "away").study
    parent = study.user_attrs["parent"]
    experiment = server.client.get_run(parent).info.experiment_id
    below = server.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert server.client.get_run(parent).info.status == "FINISHED"
    assert [run.info.status for run in below] == ["FINISHED"] * 5
    for trial in study.get_trials():
        run_id = trial.user_attrs["run_id"]
        curve = server.client.get_metric_history(run_id, "all epochs/val_accuracy")
        assert {m.step: m.value for m in curve} == trial.intermediate_values
        assert len(curve) == 20
    assert not list((tmp_path / "mlruns" / "runs").glob("*/unsent*"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_server_that_hangs_at_random_moments_gets_all_of_it_once(tmp_path, server, seed):
    moments = random.Random(seed)
    over = threading.Event()

    def hang_again_and_again():
        while not over.wait(moments.uniform(0.05, 1.0)):
            server.signal("SIGSTOP")
            over.wait(moments.uniform(0.5, 14))  # at times longer than a request may take
            server.signal("SIGCONT")

    trouble = threading.Thread(target=hang_again_and_again)
    trouble.start()
    try:
        result = train_with(plan_for(server, tmp_path, f"seed={seed}"))
    finally:
        over.set()
        trouble.join()
    flush(open_store(plan_for(server, tmp_path).tracking))
    assert_whole(server, result.run_id)


def local(folder: Path, *overrides: str):
    return plan_of(
        *QUICK, f"trainer.max_epochs={EPOCHS}", f"tracking.folder={folder}/mlruns", *overrides
    )


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [6, 10])
def test_a_locked_database_holds_the_training_up_and_no_more(tmp_path, seconds):
    plan = local(tmp_path)
    open_store(plan.tracking)
    free = threading.Event()

    def lock():
        with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db", isolation_level=None) as database:
            database.execute("BEGIN IMMEDIATE")
            free.wait(seconds)
            database.execute("ROLLBACK")
        database.close()

    locked = threading.Thread(target=lock)
    result = train_with(plan, after_epoch=lambda epoch, _: locked.start() if epoch == 2 else None)
    locked.join()
    store = Store(tmp_path)
    assert store.only_run().info.status == "FINISHED"
    assert [step for step, _ in store.curve(result.run_id, "val_loss")] == list(
        range(1, EPOCHS + 1)
    )


def test_a_moved_project_finds_every_artifact_and_goes_on(tmp_path, finished):
    moved = tmp_path / "elsewhere with a blank"
    shutil.copytree(finished.store.folder, moved)
    there = Store(moved)
    settings = plan_of(f"tracking.folder='{moved}/mlruns'").tracking
    assert not there.artifacts(finished.run_id).is_relative_to(moved)
    open_store(settings)
    store = Store(moved)
    artifacts = Path(store.client.download_artifacts(finished.run_id, ""))
    assert artifacts.is_relative_to(moved)
    assert {path.name for path in artifacts.iterdir()} >= {"figures", "checkpoint", "images"}
    [model] = store.client.search_logged_models(["1"])
    assert moved.as_uri() in model.artifact_location
    assert store.client.get_experiment("1").artifact_location.startswith(moved.as_uri())
    assert not finished.artifacts.is_relative_to(moved)  # of a copy, the first is as it was


def foreign_experiment(database: Path, folder: Path) -> str:
    """Make an experiment of somebody else in our database; its artifacts lie in a folder."""
    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.create_experiment(
        "foreign", artifact_location=folder.as_uri(), tags={"mlflow.experimentKind": "other"}
    )
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "theirs", "note.txt")
    return run


@pytest.mark.parametrize("still_there", [True, False])
def test_an_experiment_of_somebody_else_keeps_its_address(tmp_path, finished, still_there):
    former, moved = tmp_path / "former", tmp_path / "moved"
    shutil.copytree(finished.store.folder, former)
    open_store(plan_of(f"tracking.folder={former}/mlruns").tracking)
    former.rename(moved)
    theirs = tmp_path / "theirs" / "artifacts"
    run = foreign_experiment(moved / "mlruns" / "mlflow.db", theirs)
    if not still_there:  # as on a disk that is not mounted just now
        theirs.rename(tmp_path / "away")
    store = open_store(plan_of(f"tracking.folder={moved}/mlruns").tracking)
    assert store.client.get_run(run).info.artifact_uri.startswith(theirs.as_uri())
    experiment = store.client.get_experiment_by_name("foreign")
    assert experiment.artifact_location == theirs.as_uri()
    assert (moved / "mlruns").as_uri() in store.client.get_run(finished.run_id).info.artifact_uri


def test_addresses_stay_where_only_the_database_was_copied(tmp_path, finished):
    others = shutil.ignore_patterns("artifacts")
    shutil.copytree(finished.store.folder / "mlruns", tmp_path / "mlruns", ignore=others)
    (tmp_path / "mlruns" / "artifacts" / "of another store").mkdir(parents=True)
    store = open_store(plan_of(f"tracking.folder={tmp_path}/mlruns").tracking)
    files = store.client.list_artifacts(finished.run_id)
    assert "figures" in {file.path for file in files}
