"""Runs confirmations, refits and the look at the test images on the workers."""

from collections.abc import Callable, Mapping
from typing import Any

from src.search.executors.base import WorkerDied, ends_job
from src.search.messages import Continue, Epoch, Failed, Finished, Started, Stop, Task
from src.search.session import Session

POLL_INTERVAL_S = 0.5
"""How long to wait for workers before looking at signals and the clock."""

Done = Mapping[str, Mapping[str, Any]]
"""What has come out: metrics by name and `run_id`, of every task that is done, by its key."""


def run_tasks(session: Session, kept: str, wanted: Callable[[Done], Mapping[str, Task]]) -> Done:
    """Run tasks until none is wanted that is not done, or a signal ends it; return what is done.

    kept: attribute of the study that keeps what is done, so that an interrupted session resumes
    there. wanted: given what is done, the tasks by key, the most urgent first; one that runs and is
    wanted no more is stopped. A task whose worker dies is tried once more; what fails is said.
    """
    executor, stop, screen, study = session.executor, session.stop, session.screen, session.study
    given_up: set[str] = set()
    died: set[str] = set()
    running: dict[int, str] = {}
    run_ids: dict[int, str] = {}
    while True:
        done: Done = study.user_attrs.get(kept, {})
        tasks = {} if stop.interrupted else wanted(done)
        todo = {key: task for key, task in tasks.items() if key not in {*done, *given_up}}
        for worker in executor.busy:
            if running[worker.number] not in todo:
                executor.answer(worker, Stop(str(stop.interrupted or "others are clearly better")))
        waiting = [key for key in todo if key not in running.values()]
        for worker, key in zip(executor.idle, waiting, strict=False):
            running[worker.number] = key
            executor.submit(worker, todo[key])
        if not todo and not running:
            return done
        for worker, message in executor.wait(POLL_INTERVAL_S):
            if isinstance(message, WorkerDied):
                executor.replace(worker)
            key = running.get(worker.number, "")
            if not key:
                continue
            if isinstance(message, Started):
                run_ids[worker.number] = message.run_id
            elif isinstance(message, Epoch):
                screen.show(f"{key}: epoch {message.number}  {len(todo)} to do")
                executor.answer(worker, Continue())
            if not ends_job(message):
                continue
            executor.release(worker)
            session.usage.note(searching=False)
            del running[worker.number]
            run_id = run_ids.pop(worker.number, None)
            if isinstance(message, Finished):
                result = {**message.values, "run_id": message.run_id}
                study.set_user_attr(kept, {**study.user_attrs.get(kept, {}), key: result})
            elif isinstance(message, Failed):
                screen.say(f"{key} failed: {message.reason}")
                given_up.add(key)
            elif isinstance(message, WorkerDied):
                screen.say(f"{key}: its worker died")
                if run_id is not None:
                    session.end_run(run_id, "FAILED", reason="its worker died")
                (given_up if key in died else died).add(key)
