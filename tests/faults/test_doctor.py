"""Journal and store that do not agree: what can be mended is, and the rest is said."""

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from src.config.settings import Tracking
from src.search.doctor import reconcile
from src.search.storage.journal import open_journal
from src.tracking.connection import connect
from src.tracking.owner import HOST, PROCESS, STARTED, owner_tags
from src.tracking.runs import start_run
from tests.faults.trivial import DATA, search

HERE = Path()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    search(folder, n_trials=6)
    return folder


@pytest.fixture
def searched(original, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    study = optuna.load_study(study_name="many", storage=open_journal(tmp_path))
    return Tracking(folder=tmp_path), study, connect(Tracking(folder=tmp_path)).client


def run_of(study, number):
    return study.get_trials()[number].user_attrs["run_id"]


def test_what_agrees_is_left_as_it_is(searched):
    tracking, study, _ = searched
    before = study.get_trials()
    assert reconcile(tracking) == ([], [])
    assert study.get_trials() == before


def test_what_a_crash_has_left_is_mended_and_said(searched):
    tracking, study, client = searched
    parent = study.user_attrs["parent"]
    tags = {"mlflow.parentRunId": parent, "trial.number": "6"}
    stray = start_run(tracking, name="stray", params={}, tags=tags, data=DATA, config={})
    stray.finish("FINISHED")
    running = study.ask(
        {"optimizer.lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)}
    )
    its_run = client.create_run("1", tags={**tags, **owner_tags(HERE), PROCESS: "999999999"})
    running.set_user_attr("run_id", its_run.info.run_id)
    client.set_terminated(run_of(study, 2), "FAILED")
    mended, wrong = reconcile(tracking)
    assert wrong == []
    told = "\n".join(mended)
    assert f"run {its_run.info.run_id}" in told
    assert "its process died" in told
    assert "trial 6 had no driver any more" in told
    assert "trial 2 is COMPLETE; its run was FAILED, is FINISHED now" in told
    assert f"run {stray.id} is an attempt at trial 6 nobody heard of" in told
    trials = study.get_trials()
    assert [t.state for t in trials[6:]] == [TrialState.FAIL, TrialState.WAITING]
    statuses = [client.get_run(run_of(study, number)).info.status for number in range(7)]
    assert statuses == ["FINISHED"] * 6 + ["KILLED"]
    aside = client.get_run(stray.id)
    assert (aside.info.status, aside.data.tags["trial.attempt"]) == ("KILLED", "6")
    assert "trial.number" not in aside.data.tags
    assert reconcile(tracking) == ([], [])


def test_what_cannot_be_mended_is_said(searched):
    tracking, study, client = searched
    client.delete_run(run_of(study, 1))
    client.log_metric(run_of(study, 3), "best/val_accuracy", 0.5)
    mended, wrong = reconcile(tracking)
    assert mended == []
    assert [line.split(",")[0] for line in wrong] == [
        "sweep many: trial 1 is COMPLETE",
        f"sweep many: trial 3 has val_accuracy {study.get_trials()[3].values[0]}",
    ]


def test_a_run_of_another_host_or_of_a_living_process_is_left_alone(searched):
    tracking, _, client = searched
    far = client.create_run("1", tags={**owner_tags(HERE), HOST: "elsewhere", PROCESS: "999999999"})
    mine = client.create_run("1", tags=owner_tags(HERE))
    reused = client.create_run("1", tags={**owner_tags(HERE), STARTED: "1"})  # another's number
    reconcile(tracking)
    status = [client.get_run(run.info.run_id).info.status for run in (far, mine, reused)]
    assert status == ["RUNNING", "RUNNING", "KILLED"]


def test_a_line_that_a_power_cut_has_halved_costs_only_itself(searched):
    tracking, study, _ = searched
    journal = tracking.folder / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"worker_id":"half a li')
    study = optuna.load_study(study_name="many", storage=open_journal(tracking.folder))
    study.set_user_attr("after", True)
    again = optuna.load_study(study_name="many", storage=open_journal(tracking.folder))
    assert again.user_attrs["after"]
    assert len(again.trials) == 6
    assert journal.read_bytes().startswith(whole)
