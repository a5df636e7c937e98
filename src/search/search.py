"""A sweep, start to end: open or resume, search, confirm, report."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from src.config.plan import Plan
from src.config.settings import NO_OTHER_CONFIGURATION
from src.data.source import Dataset, DataSource
from src.process.gc_pause import loaded
from src.process.signals import StopRequest
from src.search.check import check_first, check_space
from src.search.confirm import confirm, confirmed, evaluate_on_test
from src.search.driver import Driver
from src.search.executors.base import Executor
from src.search.outcome import Outcome
from src.search.parent import finish_parent, open_parent
from src.search.report import best_trial, write_report
from src.search.request import Request
from src.search.screen import SweepScreen
from src.search.session import Session
from src.search.settings import SweepSettings
from src.search.storage.open import open_studies
from src.search.study import (
    count_epochs,
    counts_by_state,
    finished_trials,
    latest_name,
    open_study,
    trial_seed,
)
from src.search.usage import Usage
from src.search.verdict import Verdict, judge
from src.tracking.runs import was_deleted
from src.tracking.store import open_store


def search(request: Request, *, stop: StopRequest, screen: SweepScreen) -> Outcome:
    """Search until a target, a budget, failures or a signal end it, then confirm and report.

    After a signal only the report is made. Raises ConfigError, before anything is trained, where
    the space does not fit the configuration, the definition has changed since the sweep began, or
    another driver works on it.
    """
    check_space(request.space, request.settings, request.composer)
    tracking = request.plan.tracking
    studies = open_studies(tracking.folder.resolve(), request.settings.storage)
    with ExitStack() as stack:
        executor: Executor = request.executor.build()
        stack.callback(executor.close)
        executor.check(request.plan)
        source: DataSource = request.plan.data.build()
        dataset = source.load()
        for note in dataset.notes:
            print(f"data: {note}", flush=True)
        check_first(request.space, request.settings, request.composer, dataset)
        storage = stack.enter_context(studies.lock(request.name))
        study = open_study(
            storage,
            latest_name(storage, request.name, fresh=request.settings.fresh),
            settings=request.settings,
            space=request.space,
            definition=_definition(request, dataset, source.check_test()),
            sampler=request.sampler,
            pruner=request.pruner,
        )
        store = open_store(tracking)
        parent = stack.enter_context(
            open_parent(study, request.plan, request.settings, dataset, store, stop=stop)
        )
        earlier = best_trial(study)
        earlier_run = earlier.user_attrs["run_id"] if earlier else None
        lost = earlier_run if was_deleted(store, earlier_run) else None
        executor.start()
        stack.enter_context(screen)
        screen.say(_heading(request, study, executor))
        loaded()
        usage = Usage(study, executor)
        session = Session(request, study, executor, store, parent.id, usage, screen, stop)
        driver = Driver(session)
        driver.run()
        best = best_trial(study)
        best_run = best.user_attrs["run_id"] if best else None
        if best_run == lost:
            best_run = None
        champion = _champion(request, study, best)
        scores = None
        if best is not None and champion is not None and not stop.interrupted:
            if len(request.settings.objective) == 1:
                confirm(session, champion)
            if not stop.interrupted and best_run is not None:
                scores = evaluate_on_test(session, champion, best_run)
        usage.note(searching=False)
        outcome = Outcome(
            name=study.study_name,
            stop_reason=driver.stop_reason or "",
            verdict=_verdict(study, request.settings, best, champion),
            best=best.number if best else None,
            best_run=best_run,
            test=scores,
            counts=counts_by_state(study),
            epochs=count_epochs(study),
            folder=store.folder / "sweeps" / study.study_name,
            parent=parent.id,
            missing=[],
        )
        summary = {
            **json.loads(json.dumps(asdict(outcome), default=str)),
            "best_values": best.values if best else None,
            "utilisation": usage.utilisation,
            "seconds": usage.seconds,
        }
        outcome.missing.extend(
            write_report(outcome.folder, study, request.settings, best=champion, summary=summary)
        )
        finish_parent(parent, store, outcome.folder, summary, request.settings)
    return outcome


def _heading(request: Request, study: optuna.Study, executor: Executor) -> str:
    settings = request.settings
    goal = f", until {settings.target:g}" if settings.target is not None else ""
    objective = ", ".join(f"{o.direction} {o.metric}" for o in settings.objective)
    return (
        f"sweep {study.study_name} on {request.plan.choices['data']}: {objective}{goal}; "
        f"{len(finished_trials(study))} of {settings.n_trials} trials done, "
        f"{executor.num_workers} worker{'s' if executor.num_workers > 1 else ''}"
    )


def _champion(request: Request, study: optuna.Study, best: FrozenTrial | None) -> Plan | None:
    if best is None:
        return None
    return request.composer.plan(
        best.user_attrs["assignment"],
        seed=trial_seed(request.settings.seed, best.number),
        name=f"{study.study_name} {best.number:03}",
    )


def _verdict(
    study: optuna.Study,
    settings: SweepSettings,
    best: FrozenTrial | None,
    champion: Plan | None,
) -> Verdict:
    values = list(confirmed(study, champion).values()) if champion else []
    complete = len(values) >= settings.confirm.seeds
    return judge(
        best.values[0] if best else None,
        values if complete else [],
        target=settings.target,
        by=settings.objective[0],
    )


def _definition(request: Request, dataset: Dataset, test: str | None) -> dict[str, Any]:
    """Return what must not change while a sweep goes on, by key.

    test: digest of test images in a file of their own.
    """
    base = {
        key: value
        for key, value in request.composer.base_values().items()
        if key not in NO_OTHER_CONFIGURATION and key not in request.space.describe()
    }
    space = {f"space.{key}": value for key, value in request.space.describe().items()}
    objective = [f"{o.direction} {o.metric}" for o in request.settings.objective]
    images = {"data split": dataset.split_digest, **({"test images": test} if test else {})}
    return {"objective": objective, **images, **space, **base}
