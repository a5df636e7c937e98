"""What the driver may expect of every executor in `src/search/executors`, with real trainings."""

import importlib
import inspect
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages

import pytest
from mlflow import MlflowClient

from src.config.plan import Component
from src.errors import TrainingFailed
from src.search import executors
from src.search.executors.base import Executor, WorkerDied, ends_job
from src.search.executors.processes import own_gpu
from src.search.messages import (
    Continue,
    Epoch,
    Failed,
    Finished,
    Job,
    Prune,
    Ready,
    Started,
    Stop,
    Stopped,
)
from tests.plans import QUICK, plan_of
from tests.sweeping import wait_until

POLL_INTERVAL_S = 60

MODULES = [
    importlib.import_module(found.name)
    for found in walk_packages(executors.__path__, f"{executors.__name__}.")
]
KINDS = {
    kind
    for module in MODULES
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Executor) and kind is not Executor
}

MARKS = {
    "Processes": [pytest.mark.long],
    "Ray": [
        pytest.mark.cluster,
        pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `ray`"),
    ],
}


def kinds():
    """Return the executors to test, each with the marks it has."""
    by_name = {kind.__name__: kind for kind in KINDS}
    return [
        pytest.param(kind, id=name, marks=MARKS.get(name, []))
        for name, kind in sorted(by_name.items())
    ]


def built(kind, *, workers=1) -> Executor:
    takes_workers = "workers" in inspect.signature(kind).parameters
    executor = kind(workers=workers) if takes_workers else kind()
    executor.start()
    return executor


@pytest.fixture(scope="module", params=kinds())
def executor(request):
    executor = built(request.param)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("executors") / "mlruns"


@pytest.fixture(scope="module")
def client(folder) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")


@pytest.fixture
def job(folder):
    """Return a job of three epochs, changed by overrides."""

    def make(*overrides, number=7, metric="val_accuracy", **changes) -> Job:
        plan = plan_of(*QUICK, "trainer.max_epochs=3", f"tracking.folder={folder}", *overrides)
        return Job(number, replace(plan, **changes), metric, "the-parent", "the-sweep")

    return make


def idle_worker(executor):
    while not executor.idle:
        executor.wait(POLL_INTERVAL_S)
    return executor.idle[0]


def talk(executor, job, answer=lambda epoch: Continue()):
    """Hand the job out and yield what its worker says, answering its epochs, until it has ended."""
    worker = idle_worker(executor)
    executor.submit(worker, job)
    assert executor.busy == [worker]
    while worker.job is not None:
        news = executor.wait(POLL_INTERVAL_S)
        assert news, "the worker says nothing"
        for speaker, message in news:
            assert speaker is worker
            if isinstance(message, Epoch):
                executor.answer(worker, answer(message))
            elif isinstance(message, WorkerDied):
                executor.replace(worker)
            if ends_job(message):
                executor.release(worker)
            yield message


def curve(client, run_id, key):
    return [(m.step, m.value) for m in client.get_metric_history(run_id, f"all epochs/{key}")]


def test_the_executors_of_the_folder_are_found():
    assert {"Serial", "Processes", "Ray"} <= {kind.__name__ for kind in KINDS}


def test_a_job_reports_its_run_its_epochs_and_its_values(executor, job, client):
    started, *epochs, finished = talk(executor, job(number=12))
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert [type(epoch) for epoch in epochs] == [Epoch] * 3
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    run = client.get_run(started.run_id)
    assert finished.run_id == started.run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["trial.number"] == "12"
    assert run.data.tags["mlflow.parentRunId"] == "the-parent"
    reported = [(epoch.number, epoch.value) for epoch in epochs]
    assert reported == curve(client, started.run_id, "val_accuracy")
    assert finished.epochs == 3
    assert finished.values["val_accuracy"] == max(value for _, value in reported)
    assert finished.values["val_accuracy"] == run.data.metrics["best/val_accuracy"]
    assert finished.values["val_loss"] == pytest.approx(run.data.metrics["best/val_loss"])
    assert finished.values["parameters"] == 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert executor.idle
    assert not executor.busy


def test_a_job_without_a_metric_reports_epochs_without_values(executor, job):
    _, *epochs, finished = talk(executor, job(metric=None))
    assert isinstance(finished, Finished)
    assert [(epoch.number, epoch.value) for epoch in epochs] == [(1, None), (2, None), (3, None)]


def test_a_pruned_job_keeps_its_curve_and_what_it_used(executor, job, client):
    started, *epochs, ended = talk(
        executor, job(), answer=lambda epoch: Prune() if epoch.number == 2 else Continue()
    )
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert ended == Stopped(pruned=True)
    run = client.get_run(started.run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["end_reason"].startswith("pruned")
    assert run.data.tags["outcome"] == "pruned"
    assert [step for step, _ in curve(client, started.run_id, "val_loss")] == [1, 2]
    assert 0 < run.data.metrics["seconds/training"] < run.data.metrics["seconds/wall"]


def test_a_job_is_stopped_in_mid_epoch(executor, job, client):
    long_epochs = job("trainer.batch_size=1", "trainer.max_epochs=50", "model.hidden_sizes=[8]")
    worker = idle_worker(executor)
    seconds = []
    for message in talk(executor, long_epochs):
        if isinstance(message, Started):
            run_id, began = message.run_id, time.perf_counter()
        if isinstance(message, Epoch):
            seconds.append(time.perf_counter() - began)
            time.sleep(seconds[0] / 4)  # the second epoch is under way
            executor.answer(worker, Stop("enough"))
            asked = time.perf_counter()
    assert message == Stopped(pruned=False)
    assert len(seconds) == 1
    assert time.perf_counter() - asked < max(seconds[0], 2)
    run = client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert (run.data.tags["end_reason"], run.data.tags["outcome"]) == ("enough", "interrupted")
    assert [step for step, _ in curve(client, run_id, "val_loss")] == [1]


def test_a_stop_that_comes_too_late_does_not_harm_the_next_job(executor, job):
    worker = idle_worker(executor)
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)
    executor.answer(worker, Stop("too late"))
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("optimizer=sgd", "optimizer.lr=1e30"), "train_loss is nan in epoch 1; lower `optimizer"),
        (("trainer.batch_size=16", "optimizer=sgd", "optimizer.lr=1e12"), "train_loss is "),
    ],
)
def test_a_failing_job_is_told_and_the_worker_goes_on(executor, job, client, overrides, reason):
    worker = idle_worker(executor)
    started, *_, failed = talk(executor, job(*overrides))
    assert isinstance(failed, Failed)
    assert failed.reason.startswith(reason)
    run = client.get_run(started.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["end_reason"] == failed.reason
    traceback = Path(client.download_artifacts(started.run_id, "traceback.txt")).read_text()
    assert "TrainingFailed" in traceback
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)
    assert executor.idle == [worker]


def test_a_crash_that_nobody_thought_of_is_told_and_the_worker_goes_on(executor, job):
    *_, failed = talk(executor, job(resume="no-such-run"))
    assert isinstance(failed, Failed)
    assert "no-such-run" in failed.reason
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)


def test_the_mistake_of_a_user_is_told_and_starts_no_run(executor, job, client):
    before = len(client.search_runs(["1"]))
    mistaken = Component("optimizer", "torch.optim.SGD", {"lr": -1.0})
    [failed] = talk(executor, job(optimizer=mistaken))
    assert isinstance(failed, Failed)
    assert "Invalid learning rate: -1.0" in failed.reason
    assert len(client.search_runs(["1"])) == before
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)


def test_time_is_counted_as_busy_only_while_there_is_a_job(executor, job):
    idle_worker(executor)
    before, began = executor.busy_seconds, time.perf_counter()
    list(talk(executor, job("trainer.max_epochs=1")))
    wall = time.perf_counter() - began
    assert 0 < executor.busy_seconds - before <= wall
    assert executor.wait(0.05) == []
    assert executor.busy_seconds - before <= wall


def alive(pid) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(worker) -> int | None:
    """Return the worker's process; None where it has none of its own."""
    if not hasattr(worker.handle, "__ray_call__"):
        return getattr(worker.handle, "pid", None)
    import ray

    return ray.get(worker.handle.__ray_call__.remote(lambda actor: os.getpid()))


def process_of(executor) -> int:
    pid = pid_of(idle_worker(executor))
    if pid is None:
        pytest.skip("its worker is no process of its own")
    return pid


def test_a_killed_worker_is_told_and_another_one_goes_on_with_its_job(executor, job, client):
    pid = process_of(executor)
    longer = job("trainer.max_epochs=6")
    told = []
    for message in talk(executor, longer):
        told.append(message)
        if isinstance(message, Epoch) and message.number == 3:
            os.kill(pid, signal.SIGKILL)
    assert isinstance(told[-1], WorkerDied)
    run_id = told[0].run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    again = replace(longer, plan=replace(longer.plan, resume=run_id))
    started, *epochs, finished = talk(executor, again)
    assert process_of(executor) != pid
    assert not alive(pid)
    assert started.run_id == run_id
    assert isinstance(finished, Finished)
    assert epochs[0].number in (3, 4)
    assert finished.epochs == 6
    assert client.get_run(run_id).info.status == "FINISHED"
    assert sorted({step for step, _ in curve(client, run_id, "val_loss")}) == [1, 2, 3, 4, 5, 6]


def test_a_worker_killed_while_idle_is_told_and_replaced(executor, job):
    pid = process_of(executor)
    os.kill(pid, signal.SIGKILL)
    [(worker, message)] = executor.wait(POLL_INTERVAL_S)
    assert message == WorkerDied()
    executor.replace(worker)
    assert process_of(executor) != pid
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)


def test_a_job_handed_to_a_worker_that_has_just_died_is_not_lost(executor, job):
    os.kill(process_of(executor), signal.SIGKILL)
    assert [type(message) for message in talk(executor, job())] == [WorkerDied]
    *_, finished = talk(executor, job("trainer.max_epochs=1"))
    assert isinstance(finished, Finished)


def test_signals_to_the_whole_group_pass_a_worker_by(executor, job):
    pid = process_of(executor)
    told = []
    for message in talk(executor, job("trainer.max_epochs=4")):
        told.append(message)
        if isinstance(message, Epoch) and message.number == 1:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
    assert isinstance(told[-1], Finished)
    assert told[-1].epochs == 4


def kill_until_ready(executor):
    """Kill the executor's only worker again and again, before it can say that it is ready."""
    while True:
        with suppress(ProcessLookupError):
            os.kill(pid_of(executor._workers[0]), signal.SIGKILL)
        [(worker, message)] = executor.wait(POLL_INTERVAL_S)
        if isinstance(message, WorkerDied):
            executor.replace(worker)


def test_workers_that_die_before_they_are_ready_are_not_started_for_ever(executor):
    process_of(executor)
    with pytest.raises(TrainingFailed, match="workers in a row died while they were starting"):
        kill_until_ready(executor)


@pytest.mark.parametrize(
    ("count", "visible", "gpus"),
    [
        (0, None, [None, None, None]),
        (2, None, ["0", "1", "0"]),
        (2, "2,5", ["2", "5", "2"]),
        (1, "GPU-3ab", ["GPU-3ab", "GPU-3ab", "GPU-3ab"]),
    ],
)
def test_workers_take_the_gpus_they_may_use_in_turn(count, visible, gpus):
    assert [own_gpu(number, count, visible=visible) for number in range(3)] == gpus


def test_closing_ends_running_jobs_and_leaves_no_worker(executor, job, client):
    executor.close()  # the last test that uses it
    executor = built(type(executor), workers=2)
    workers = []
    for _ in range(executor.num_workers):
        workers.append(idle_worker(executor))
        executor.submit(workers[-1], job("trainer.max_epochs=5000"))
    run_ids = []
    while len(run_ids) < len(workers):
        for worker, message in executor.wait(POLL_INTERVAL_S):
            if isinstance(message, Started):
                run_ids.append(message.run_id)
            elif isinstance(message, Epoch):
                executor.answer(worker, Continue())
            else:
                assert isinstance(message, Ready)
    pids = [pid_of(worker) for worker in workers]
    executor.close()
    for worker, pid in zip(workers, pids, strict=True):
        if pid is None:
            assert not worker.handle.is_alive()
        else:
            wait_until(lambda pid=pid: not alive(pid), within_s=5)  # Ray's own end comes after it
    assert [client.get_run(run_id).info.status for run_id in run_ids] == ["KILLED"] * len(workers)
    left = {path.name for path in (job().plan.tracking.folder / "runs").iterdir()}
    assert not left & set(run_ids)
