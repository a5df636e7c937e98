"""Journal and store that do not agree after a crash: the next start of the sweep mends them."""

import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from src.config.settings import Tracking
from src.search.mending import mend
from src.search.storage.journal import open_journal
from src.tracking.owner import this_process
from src.tracking.runs import start_run
from src.tracking.store import open_store
from tests.faults.trivial import DATA, search

HERE = this_process(Path())
DEAD = 999999999


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    search(folder, n_trials=6)
    return folder


@pytest.fixture
def searched(original, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    study = optuna.load_study(study_name="many", storage=open_journal(tmp_path))
    return study, open_store(Tracking(folder=tmp_path))


def run_of(study, number):
    return study.get_trials()[number].user_attrs["run_id"]


def test_what_agrees_is_left_as_it_is(searched):
    study, store = searched
    before = study.get_trials()
    assert list(mend(study, store)) == []
    assert study.get_trials() == before


def test_what_a_crash_has_left_is_mended_and_said(searched, capsys):
    study, store = searched
    client = store.client
    parent = study.user_attrs["parent"]
    tags = {"mlflow.parentRunId": parent, "trial.number": "6"}
    stray = start_run(store, name="stray", params={}, tags=tags, data=DATA, config={})
    stray.finish("FINISHED")
    running = study.ask(
        {"optimizer.lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)}
    )
    its_run = client.create_run("1", tags={**tags, **replace(HERE, process=DEAD).tags})
    running.set_user_attr("run_id", its_run.info.run_id)
    client.set_terminated(run_of(study, 2), "FAILED")
    open_store(store.settings)
    assert client.get_run(its_run.info.run_id).data.tags["end_reason"] == "its process died"
    told = "\n".join(mend(study, store))
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
    assert list(mend(study, store)) == []


def test_a_run_of_another_host_or_of_a_living_process_is_left_alone(searched):
    _, store = searched
    client = store.client
    far = client.create_run("1", tags=replace(HERE, host="elsewhere", process=DEAD).tags)
    mine = client.create_run("1", tags=HERE.tags)
    reused = client.create_run("1", tags=replace(HERE, started="1").tags)  # another's number
    open_store(store.settings)
    status = [client.get_run(run.info.run_id).info.status for run in (far, mine, reused)]
    assert status == ["RUNNING", "RUNNING", "KILLED"]


def test_a_line_that_a_power_cut_has_halved_costs_only_itself(searched):
    study, store = searched
    journal = store.folder / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"worker_id":"half a li')
    study = optuna.load_study(study_name="many", storage=open_journal(store.folder))
    study.set_user_attr("after", True)
    again = optuna.load_study(study_name="many", storage=open_journal(store.folder))
    assert again.user_attrs["after"]
    assert len(again.trials) == 6
    assert journal.read_bytes().startswith(whole)
