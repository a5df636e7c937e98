"""What is done after a search on its workers, whatever becomes of them."""

from time import sleep
from types import SimpleNamespace

import optuna
import pytest

from src.search.executors.base import Executor, Worker, WorkerDied
from src.search.messages import EvaluateOnTest, Finished, Started
from src.search.tasks import run_tasks
from src.search.usage import Usage
from tests.plans import plan_of


class Silent:
    """A line to a worker that hears nothing and says nothing."""

    def send(self, message) -> None: ...

    def close(self) -> None: ...


class Scripted(Executor):
    """One worker after another, of which these things are heard in turn."""

    def __init__(self, *heard) -> None:
        super().__init__(num_workers=1)
        self._heard = list(heard)

    def _start(self, number: int) -> Worker:
        return Worker(number, Silent(), None, ready=True)

    def _end(self, worker: Worker) -> None: ...

    def wait(self, timeout_s: float):
        return [(worker, self._heard.pop(0)) for worker in self.busy]


def done(name: str) -> Finished:
    return Finished(f"run {name}", {"val_accuracy": 0.9}, 1)


@pytest.mark.parametrize(
    ("heard", "ended"),
    [
        ([Started("run a", 1), done("a"), WorkerDied(), Started("run b", 1), done("b")], []),
        (
            [done("a"), Started("lost", 1), WorkerDied(), Started("run b", 1), done("b")],
            ["lost"],
        ),
    ],
    ids=["before it began", "after it began"],
)
def test_a_worker_that_dies_takes_no_finished_run_with_it(heard, ended):
    executor, study, failed = Scripted(*heard), optuna.create_study(), []
    executor.start()
    session = SimpleNamespace(
        executor=executor,
        study=study,
        stop=SimpleNamespace(interrupted=None),
        screen=SimpleNamespace(say=lambda text: None, show=lambda text: None),
        usage=Usage(study, executor),
        end_run=lambda run_id, status, reason: failed.append(run_id),
    )
    plan = plan_of("data=digits")
    tasks = {name: EvaluateOnTest(f"run {name}", plan) for name in "ab"}
    found = run_tasks(session, "kept", lambda known: tasks)
    assert [found[name]["run_id"] for name in "ab"] == ["run a", "run b"]
    assert failed == ended


def test_a_time_budget_is_of_the_search_alone():
    executor = Scripted()
    study = optuna.create_study()
    usage = Usage(study, executor)
    sleep(0.02)
    usage.note(searching=True)
    searched = usage.searching
    sleep(0.05)
    usage.note(searching=False)  # of a confirmation
    again = Usage(study, executor)
    assert 0.02 <= again.searching < searched + 0.04 < again.seconds + 0.01
