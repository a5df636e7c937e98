"""A sweep, start to end: open or resume, search, confirm, train the winner on all rows, report."""

from contextlib import ExitStack
from typing import Any

import optuna

from src.config.settings import IGNORED_IN_DIGEST
from src.data.source import Dataset, DataSource
from src.process.gc_pause import resume_gc
from src.process.signals import StopRequest
from src.search.check import check_first, check_space
from src.search.confirm import Candidate, candidates, choose_winner, confirm
from src.search.driver import Driver
from src.search.executors.base import Executor
from src.search.outcome import Outcome
from src.search.parent import log_outcome, open_parent
from src.search.refit import REFITS, evaluate_on_test, refit
from src.search.report import write_report
from src.search.request import Request
from src.search.screen import SweepScreen
from src.search.session import Session
from src.search.settings import SweepSettings
from src.search.storage.open import open_studies
from src.search.study import (
    counts_by_state,
    finished_trials,
    latest_name,
    open_study,
)
from src.search.usage import Usage
from src.search.verdict import Verdict, judge
from src.tracking.connection import Store
from src.tracking.runs import was_deleted
from src.tracking.store import open_store


def search(request: Request, *, stop: StopRequest, screen: SweepScreen) -> Outcome:
    """Search until a target, a budget, failures or a signal end it, then confirm, refit, report.

    After a signal only the report is made. Raises ConfigError, before anything is trained, where
    the space does not fit the configuration, the definition has changed since the sweep began, or
    another driver works on it.
    """
    check_space(request.space, request.settings, request.composer)
    tracking = request.plan.tracking
    lock = open_studies(tracking.folder.resolve(), request.settings.storage)
    with ExitStack() as stack:
        executor: Executor = request.executor.build()
        stack.callback(executor.close)
        executor.check(request.plan)
        source: DataSource = request.plan.data.build()
        test_digest = source.check_test()
        dataset = source.load()
        for note in dataset.notes:
            print(f"data: {note}", flush=True)
        check_first(request.space, request.settings, request.composer, dataset)
        storage = stack.enter_context(lock(request.name))
        study = open_study(
            storage,
            latest_name(storage, request.name, fresh=request.settings.fresh),
            settings=request.settings,
            space=request.space,
            definition=_definition(request, dataset, test_digest),
            sampler=request.sampler,
            pruner=request.pruner,
        )
        store = open_store(tracking)
        parent = stack.enter_context(
            open_parent(study, request.plan, request.settings, dataset, store, stop=stop)
        )
        lost = _deleted(study, request, store)
        executor.start()
        stack.enter_context(screen.shown())
        screen.say(_heading(request, study, executor))
        resume_gc()
        usage = Usage(study, executor)
        session = Session(request, study, executor, store, parent.id, usage, screen, stop)
        driver = Driver(session)
        driver.run()
        if len(request.settings.objective) == 1 and not stop.interrupted:
            confirm(session)
        finalists = candidates(study, request.settings)
        winner = choose_winner(finalists, request.settings)
        refitted = None
        if winner and request.settings.refits and not stop.interrupted:
            refitted = refit(session, winner)
        handed_over = _left(refitted or (winner and winner.run_id), lost)
        scores = None
        if winner and handed_over and not stop.interrupted:
            scores = evaluate_on_test(session, winner, handed_over)
        usage.note(searching=False)
        outcome = Outcome(
            name=study.study_name,
            stop_reason=driver.stop_reason or "",
            verdict=_verdict(request.settings, winner),
            best=winner.number if winner else None,
            best_values=study.trials[winner.number].values if winner else None,
            best_run=_left(winner and winner.run_id, lost),
            handed_over=handed_over,
            refitted=refitted is not None,
            finalists=finalists,
            test=scores,
            counts=counts_by_state(study),
            folder=store.folder / "sweeps" / study.study_name,
            parent=parent.id,
            utilisation=usage.utilisation,
            seconds=usage.seconds,
            searching=usage.searching,
            missing=[],
        )
        plan = winner.plan(session) if winner else None
        outcome = write_report(outcome, study, request, best=plan)
        log_outcome(parent, study, store, outcome, request)
    return outcome


def _heading(request: Request, study: optuna.Study, executor: Executor) -> str:
    settings = request.settings
    goal = f", until {settings.target:g}" if settings.target is not None else ""
    objective = ", ".join(map(str, settings.objective))
    return (
        f"sweep {study.study_name} on {request.plan.choices['data']}: {objective}{goal}; "
        f"{len(finished_trials(study))} of {settings.n_trials} trials done, "
        f"{executor.num_workers} worker{'s' if executor.num_workers > 1 else ''}"
    )


def _deleted(study: optuna.Study, request: Request, store: Store) -> set[str]:
    """Return the runs of earlier sessions that could be handed over, but were deleted."""
    known = [c.run_id for c in candidates(study, request.settings)]
    known += [done["run_id"] for done in study.user_attrs.get(REFITS, {}).values()]
    with store.usable():
        return {run_id for run_id in known if was_deleted(store, run_id)}


def _left(run_id: str | None, lost: set[str]) -> str | None:
    return None if run_id in lost else run_id


def _verdict(settings: SweepSettings, winner: Candidate | None) -> Verdict:
    values = winner.confirmed if winner else ()
    return judge(
        winner.value if winner else None,
        values if len(values) >= settings.confirm.seeds else (),
        target=settings.target,
        by=settings.objective[0],
    )


def _definition(request: Request, dataset: Dataset, test: str | None) -> dict[str, Any]:
    """Return what must not change while a sweep goes on, by key.

    test: digest of test images in a file of their own.
    """
    searched = request.space.describe()
    base = {
        key: value
        for key, value in request.composer.base_values().items()
        if key not in IGNORED_IN_DIGEST and key not in searched
    }
    space = {f"space.{key}": value for key, value in searched.items()}
    objective = [str(objective) for objective in request.settings.objective]
    images = {"data split": dataset.split_digest, **({"test images": test} if test else {})}
    limits = {f"constraints.{k}": most for k, most in request.settings.constraints.limits().items()}
    return {"objective": objective, **limits, **images, **space, **base}
