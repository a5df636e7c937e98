"""The winner once more on all rows, which is what is used, and its look at the test images."""

from dataclasses import replace

from src.config.plan import Plan
from src.process.machine import available_cores
from src.search.composer import on_all_rows
from src.search.confirm import Candidate
from src.search.messages import Average, EvaluateOnTest, Job, Task
from src.search.session import Session
from src.search.study import trial_seed
from src.search.tasks import Done, run_tasks
from src.tracking.queries import REFITTED_FROM

FIRST_REFIT_SEED = 2_000_000
"""Number whose seed the first refit gets."""
REFITS, TESTS = "refits", "test"
ROWS = "training and validation rows"


def refit(session: Session, winner: Candidate) -> str | None:
    """Train the winner on all rows, `refit.seeds` times, and return the run that stands for it.

    That is the only one, or one that answers with their mean; None where it failed, or was
    interrupted. The run has the id of the winner's as a tag, from which it is given what it knows
    of validation images when it is handed over.
    """
    settings, sweep = session.request.settings, session.study.study_name
    seeds = settings.refit.seeds
    plan = _on_free_cores(session, on_all_rows(winner.plan(session), epochs=winner.epochs))
    tags = {"refit": ROWS, REFITTED_FROM: winner.run_id}
    jobs: dict[str, Task] = {}
    for number in range(seeds):
        seed = trial_seed(settings.seed, FIRST_REFIT_SEED + number)
        name = f"{winner.name} refit {number + 1}"
        again = replace(plan, seed=seed, name=f"#{winner.number:03} refit {number + 1}/{seeds}")
        jobs[name] = Job(
            number, again, metric=None, parent=session.parent, sweep=sweep, kind="refit", tags=tags
        )
    whole = f"{winner.name} refit, mean of {seeds}" if seeds > 1 else f"{winner.name} refit 1"
    if whole not in session.study.user_attrs.get(REFITS, {}):
        session.screen.say(f"trial {winner.number} once more, on {ROWS} together")

    def wanted(done: Done) -> dict[str, Task]:
        if whole in jobs or not jobs.keys() <= done.keys():
            return jobs
        members = tuple(str(done[name]["run_id"]) for name in jobs)
        joined = replace(plan, name=f"#{winner.number:03} refit, mean of {seeds}")
        return {whole: Average(members, joined, session.parent, {"sweep": sweep, **tags})}

    return run_tasks(session, REFITS, wanted).get(whole, {}).get("run_id")


def _on_free_cores(session: Session, plan: Plan) -> Plan:
    """Return the plan with the cores of idle workers too, unless a number of threads is given."""
    given = session.request.composer.base_values()["trainer.threads"]
    if given is not None or not session.executor.shares_cores:
        return plan
    at_once = min(session.request.settings.refits, session.executor.num_workers)
    return plan.with_trainer(threads=max(1, available_cores() // at_once))


def evaluate_on_test(session: Session, winner: Candidate, run_id: str) -> dict[str, float] | None:
    """Look at the test images with the model that is handed over, once, and export it.

    Returns `test/accuracy` and its interval, or None where it failed, which is said.
    """
    plan = winner.plan(session)
    if run_id != winner.run_id:  # the refit's, of which the rows of its split are told
        plan = on_all_rows(plan, epochs=winner.epochs)
    task = EvaluateOnTest(run_id, plan)
    found = run_tasks(session, TESTS, lambda done: {run_id: task}).get(run_id)
    return {k: v for k, v in found.items() if k != "run_id"} if found is not None else None
