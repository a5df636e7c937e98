"""Trainings ended by real signals: no ghosts in the store, and gone on with to the same end."""

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient

from src.process.signals import Interrupted, stop_on_signals
from tests.conftest import TIMEOUT_S, TRAINING, Store, python, start_training
from tests.data.tables import as_text, digit_rows, write
from tests.plans import QUICK, dataset_of, fit_of, plan_of, train_plan
from tests.preloaded import Command

pytestmark = pytest.mark.long


def read_until(process: Command, line_begins: str) -> None:
    for line in process.stdout:
        if line.startswith(line_begins):
            return
    raise AssertionError(f"no line {line_begins!r}: {process.stderr.read()}")


@dataclass
class Ending:
    """How a process ended, and how the store looked just after."""

    code: int
    errors: str
    status: str
    tags: dict
    epochs: int
    checkpoint: bool


@dataclass
class History:
    """A training that was ended three times and gone on with three times."""

    store: Store
    run_id: str = ""
    endings: dict[str, Ending] = field(default_factory=dict)
    output: str = ""


ENDINGS = {"SIGINT": 5, "SIGTERM": 14, "SIGKILL": 25}
"""Signals, and the epochs after which they are sent."""


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    folder = tmp_path_factory.mktemp("resumed")
    story = History(Store(folder))
    arguments = TRAINING
    for name, epoch in ENDINGS.items():
        process = start_training(*arguments, cwd=folder)
        read_until(process, f"epoch {epoch}/40 ")
        process.send_signal(signal.Signals[name])
        _, errors = process.communicate(timeout=TIMEOUT_S)
        run = story.store.only_run()
        story.run_id = run.info.run_id
        story.endings[name] = Ending(
            code=process.returncode,
            errors=errors,
            status=run.info.status,
            tags=run.data.tags,
            epochs=len(story.store.curve(story.run_id, "val_loss")),
            checkpoint=(story.store.artifacts(story.run_id) / "checkpoint/best.ckpt").exists(),
        )
        arguments = (f"resume={story.run_id}",)
    done = python("-m", "src.train", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    story.output = done.stdout
    return story


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_run_as_killed_and_the_process_with_its_number(history, name, code):
    ending = history.endings[name]
    assert ending.code == code
    assert ending.errors == f"stopped by {name}\n"
    assert ending.status == "KILLED"
    assert ending.tags["end_reason"] == f"stopped by {name}"
    assert ending.checkpoint
    assert ENDINGS[name] <= ending.epochs < 40


def test_a_process_killed_without_warning_leaves_a_run_that_can_be_gone_on_with(history):
    ending = history.endings["SIGKILL"]
    assert ending.code == -signal.SIGKILL
    assert ending.status == "RUNNING"
    assert "end_reason" not in ending.tags


def test_going_on_starts_where_the_training_stopped(history):
    first, *lines = history.output.splitlines()
    assert first.startswith(f"resuming run {history.run_id}: dnn")
    epochs = [int(line.split()[1].split("/")[0]) for line in lines if line.startswith("epoch ")]
    killed = history.endings["SIGKILL"].epochs
    assert epochs == list(range(epochs[0], 41))
    assert killed <= epochs[0] <= killed + 1  # killed between an epoch's numbers and its checkpoint


def test_it_is_one_run_and_it_is_finished(history):
    run = history.store.only_run()
    assert run.info.status == "FINISHED"
    assert "end_reason" not in run.data.tags
    assert run.data.tags["test.looks"] == "1"
    assert list((history.store.folder / "mlruns" / "runs").iterdir()) == []


def test_every_number_is_that_of_an_uninterrupted_training(history, finished):
    resumed = history.store.curves(history.run_id)
    uninterrupted = finished.store.curves(finished.run_id)
    assert resumed.keys() == uninterrupted.keys()
    for key, curve in uninterrupted.items():
        assert resumed[key] == curve, key
    assert [step for step, _ in uninterrupted["all epochs/val_loss"]] == list(range(1, 41))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_prediction_is_that_of_an_uninterrupted_training(history, finished, split):
    place = f"predictions/{split}.npz"
    one = np.load(history.store.artifacts(history.run_id) / place)
    other = np.load(finished.artifacts / place)
    np.testing.assert_array_equal(one["labels"], other["labels"])
    np.testing.assert_array_equal(one["probabilities"], other["probabilities"])


def test_the_series_of_pictures_is_that_of_an_uninterrupted_training(history, finished):
    def steps(artifacts):
        files = (artifacts / "images").glob("*.png")
        return sorted(re.match(r"([\w ~]+\+step\+\d+)\+", file.name)[1] for file in files)

    assert steps(history.store.artifacts(history.run_id)) == steps(finished.artifacts)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("resume=0123456789abcdef", "`resume`=0123456789abcdef: must name one interrupted run"),
        ("resume={id}", "must name one interrupted run in "),
        ("resume={id} reproduce={id}", "`resume` and `reproduce`: give one of them"),
    ],
    ids=["unknown", "finished", "two ways"],
)
def test_what_cannot_be_gone_on_with_is_refused_in_one_line(history, line, told):
    before = history.store.runs()
    arguments = line.format(id=history.run_id).split()
    done = python("-m", "src.train", *arguments, cwd=history.store.folder)
    assert done.returncode == 2
    [said] = done.stderr.splitlines()
    assert said.startswith("error: ")
    assert told in said
    after = history.store.runs()
    assert [run.to_dictionary() for run in after] == [run.to_dictionary() for run in before]


TABLES = ("data=csv", "data.path=one.csv", "data.test_path=test.csv")
WIDE = ("trainer.max_epochs=4", "model.hidden_sizes=[256]", "trainer.batch_size=512")


def trained(*overrides: str, until: int) -> str:
    """Train on tables in this process until the end of an epoch; return the id of the run."""

    def stop(epoch, metrics):
        if epoch == until:
            raise Interrupted(signal.SIGINT)

    ids: list[str] = []
    with suppress(Interrupted):
        train_plan(
            plan_of(*TABLES, *WIDE, *overrides),
            after_epoch=stop,
            on_start=lambda run_id, parameters: ids.append(run_id),
        )
    return ids[0]


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Return a store whose run was stopped on two cores, and whose tables have moved since.

    The folder `other` has tables of the same names and shapes with other images.
    """
    folder = tmp_path_factory.mktemp("moved")
    for place, first in (("", 0), ("other", 100)):
        (folder / place).mkdir(exist_ok=True)
        write(folder / place / "one.csv", as_text(digit_rows()[first : first + 1200]))
        write(folder / place / "test.csv", as_text(digit_rows()[first + 1200 : first + 1500]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OMP_NUM_THREADS", "2")
        run_id = trained(until=2)
        whole = trained("tracking.folder=whole", "trainer.threads=2", until=99)
    (folder / "new").mkdir()
    for name in ("one.csv", "test.csv"):
        (folder / name).rename(folder / "new" / name)
    losses = MlflowClient(f"sqlite:///{folder}/whole/mlflow.db").get_metric_history
    return Store(folder), run_id, [metric.value for metric in losses(whole, "all epochs/val_loss")]


NEW = "data.path=new/one.csv data.test_path=new/test.csv"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "data.test_path=test.csv: no such file"),
        ("data.path=other/one.csv data.test_path=new/test.csv", "data: not what run {id} began on"),
        ("data.path=new/one.csv data.test_path=other/test.csv", "began on (test "),
        (
            "optimizer.lr=0.1",
            "`optimizer.lr=0.1`: cannot be changed, resume={id} resumes a run that has 0.003; "
            "leave it out, or start a new run",
        ),
    ],
)
def test_a_run_is_not_gone_on_with_as_another_one(moved, line, told):
    store, run_id, _ = moved
    done = python("-m", "src.train", f"resume={run_id}", *line.split(), cwd=store.folder)
    assert done.returncode == 2, done.stdout
    assert told.format(id=run_id) in done.stderr
    assert all(said.startswith("error: ") for said in done.stderr.splitlines())
    assert store.only_run().info.status == "KILLED"


def test_a_run_is_gone_on_with_where_its_tables_are_now(moved):
    """Also where the command line repeats what it has, and this machine has other cores."""
    store, run_id, losses = moved
    same = ("trainer.max_epochs=4", "optimizer.lr=3e-3", "model=dnn", "model.hidden_sizes=[256]")
    done = python(
        "-m", "src.train", f"resume={run_id}", *same, *NEW.split(), cwd=store.folder, cores=1
    )
    assert done.returncode == 0, done.stderr
    assert store.only_run().info.status == "FINISHED"
    assert [value for _, value in store.curve(run_id, "val_loss")] == losses
    kept = yaml.safe_load((store.artifacts(run_id) / "config.yaml").read_text())
    assert (kept["data"]["path"], kept["data"]["test_path"]) == ("new/one.csv", "new/test.csv")
    assert kept["trainer"]["threads"] == 2


def test_a_second_signal_ends_the_process_at_once_and_the_run_can_still_be_finished(tmp_path):
    store = Store(tmp_path)
    process = start_training(*QUICK, "trainer.max_epochs=2", cwd=tmp_path)
    read_until(process, "epoch 2/2 ")  # a second of pictures and of exporting the model follows
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    asked = time.perf_counter()
    process.communicate(timeout=TIMEOUT_S)
    assert time.perf_counter() - asked < 1
    assert process.returncode == 130
    run = store.only_run()
    assert run.info.status == "RUNNING"
    done = python("-m", "src.train", f"resume={run.info.run_id[:8]}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    finished = store.only_run()
    assert finished.info.run_id == run.info.run_id
    assert finished.info.status == "FINISHED"
    assert [step for step, _ in store.curve(finished.info.run_id, "val_loss")] == [1, 2]


SHORT = (*QUICK, "trainer.max_epochs=6", "model.hidden_sizes=[16]", "trainer.batch_size=32")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_at_the_end_of_an_epoch_is_heard_as_what_it_is(tmp_path, name):
    plan = plan_of(*SHORT)

    def signal_in_epoch_2(epoch, metrics):
        if epoch == 2:
            for _ in range(2):  # as `timeout` does: to the process, and to its group
                os.kill(os.getpid(), signal.Signals[name])

    with stop_on_signals() as stop, pytest.raises(Interrupted, match=f"stopped by {name}"):
        fit_of(plan, dataset_of(plan), tmp_path, check_stop=stop.check, log_epoch=signal_in_epoch_2)


def test_signals_mean_what_they_meant_before_once_nobody_listens():
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals() as stop:
        stop.check()
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] != before
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def stop_after(epochs):
    def log_epoch(epoch, metrics):
        if epoch == epochs:
            raise KeyError("here")

    return log_epoch


@pytest.mark.parametrize(
    "line",
    [
        "regularization=strong regularization.patience=5",
        "optimizer=sgd scheduler=cosine trainer.gradient_clip_norm=1",
        "optimizer=adagrad scheduler=constant model.batch_norm=true",
        "model.loss=one_vs_rest regularization.augmentation=1 optimizer=adam "
        "trainer.precision=bfloat16",
    ],
)
def test_going_on_gives_the_same_weights_bit_for_bit_whatever_is_trained(tmp_path, line):
    plan = plan_of(*SHORT, *line.split())
    dataset = dataset_of(plan)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = fit_of(plan, dataset, tmp_path / "whole")
    for epochs in (2, 4):  # the epoch that ends so has not been kept
        with pytest.raises(KeyError, match="here"):
            fit_of(plan, dataset, tmp_path / "parts", log_epoch=stop_after(epochs))
    parts = fit_of(plan, dataset, tmp_path / "parts")
    assert parts.best_epoch == whole.best_epoch
    assert parts.weights.keys() == whole.weights.keys()
    assert parts.confusions.keys() == whole.confusions.keys()
    for name, value in whole.classifier.state_dict().items():
        assert torch.equal(value, parts.classifier.state_dict()[name]), name


@pytest.mark.parametrize("line", ["trainer.max_epochs=4", "regularization.patience=1"])
def test_a_training_that_was_over_but_for_its_evaluation_trains_no_more(tmp_path, line):
    plan = plan_of(*SHORT, "optimizer.lr=1e-12", "scheduler=constant", line)
    dataset = dataset_of(plan)
    over = fit_of(plan, dataset, tmp_path)
    again = fit_of(plan, dataset, tmp_path)
    assert again.classifier.history == over.classifier.history
    assert again.best_epoch == over.best_epoch
    for name, value in over.classifier.state_dict().items():
        assert torch.equal(value, again.classifier.state_dict()[name]), name
