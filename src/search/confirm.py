"""After the search: the best configuration on fresh seeds, and one look at the test images."""

from dataclasses import replace

import optuna

from src.config.plan import Plan
from src.search.driver import POLL_INTERVAL_S
from src.search.executors.base import WorkerDied, ends_job
from src.search.messages import (
    Continue,
    Epoch,
    EvaluateOnTest,
    Failed,
    Finished,
    Job,
    Started,
    Stop,
)
from src.search.screen import short
from src.search.session import Session
from src.search.study import trial_seed
from src.training.description import run_name

FIRST_FRESH_SEED = 1_000_000
"""Number whose seed the first confirmation gets; trials never come that far."""


def confirm(session: Session, plan: Plan) -> None:
    """Train the plan on each fresh seed that it was not yet trained on.

    A worker that dies costs its confirmation one more try.

    The values are kept with the study under `confirmations`, by the name of the plan, so that an
    interrupted session goes on where it stopped.
    """
    study, executor, screen = session.study, session.executor, session.screen
    settings, stop = session.request.settings, session.stop
    metric = settings.objective[0].metric
    waiting = [n for n in range(settings.confirm.seeds) if str(n) not in confirmed(study, plan)]
    if waiting:
        screen.say(f"confirming {plan.name} on {settings.confirm.seeds} fresh seeds")
    run_ids: dict[int, str] = {}
    died: set[int] = set()
    while waiting or executor.busy:
        if stop.interrupted is not None:
            waiting.clear()
            for worker in executor.busy:
                executor.answer(worker, Stop(str(stop.interrupted)))
        for worker in executor.idle:
            if waiting:
                number = waiting.pop(0)
                seed = trial_seed(settings.seed, FIRST_FRESH_SEED + number)
                which = (number + 1, settings.confirm.seeds)
                again = replace(plan, seed=seed, name=run_name(plan, confirmation=which))
                fresh = Job(
                    number, again, None, session.parent, study.study_name, kind="confirmation"
                )
                executor.submit(worker, fresh)
        for worker, message in executor.wait(POLL_INTERVAL_S):
            job = worker.job
            if isinstance(message, WorkerDied):
                executor.replace(worker)
            if job is None or not isinstance(job, Job):
                continue
            if isinstance(message, Started):
                run_ids[job.number] = message.run_id
            elif isinstance(message, Epoch):
                executor.answer(worker, Continue())
            if ends_job(message):
                executor.release(worker)
            if isinstance(message, Finished):
                value = message.values[metric]
                values = {**confirmed(study, plan), str(job.number): value}
                stored = study.user_attrs.get("confirmations", {})
                study.set_user_attr("confirmations", {**stored, str(plan.name): values})
                screen.say(f"confirmation {job.number + 1}: {metric} {short(value)}")
            elif isinstance(message, Failed):
                screen.say(f"confirmation {job.number + 1} failed: {message.reason}")
            elif isinstance(message, WorkerDied):
                screen.say(f"confirmation {job.number + 1}: its worker died")
                if job.number in run_ids:
                    session.end_run(run_ids.pop(job.number), "FAILED", reason="its worker died")
                if job.number not in died:
                    died.add(job.number)
                    waiting.append(job.number)


def confirmed(study: optuna.Study, plan: Plan) -> dict[str, float]:
    """Return the values of the plan's confirmations so far, by number."""
    return study.user_attrs.get("confirmations", {}).get(str(plan.name), {})


def evaluate_on_test(session: Session, plan: Plan, run_id: str) -> dict[str, float] | None:
    """Look at the test images with the champion, once in the life of a sweep; export its model.

    Returns `test/accuracy` and its interval, or None where it failed, which is said.
    """
    study, executor = session.study, session.executor
    known = study.user_attrs.get("test", {})
    if run_id in known:
        return known[run_id]
    handed_out = False
    while executor.busy or not handed_out:
        if executor.idle and not handed_out:
            executor.submit(executor.idle[0], EvaluateOnTest(run_id, plan))
            handed_out = True
        for worker, message in executor.wait(POLL_INTERVAL_S):
            if isinstance(message, WorkerDied):
                executor.replace(worker)
            if not ends_job(message) or worker.job is None:
                continue
            executor.release(worker)
            if isinstance(message, Finished):
                study.set_user_attr("test", {**known, run_id: message.values})
                return message.values
            reason = message.reason if isinstance(message, Failed) else "its worker died"
            session.screen.say(f"the champion's look at the test images failed: {reason}")
    return None
