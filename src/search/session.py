"""One session of a sweep, start to end: open or resume, search, confirm, report."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from src.config.plan import Plan
from src.config.settings import NO_OTHER_CONFIGURATION, Tracking
from src.data.source import Dataset
from src.errors import ConfigError, SweepLockedError
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
from src.search.settings import SweepSettings
from src.search.storage.base import Studies
from src.search.storage.open import open_studies
from src.search.study import (
    EndRun,
    count_epochs,
    counts_by_state,
    finished_trials,
    latest_name,
    open_study,
    trial_seed,
)
from src.search.usage import Usage
from src.search.verdict import Verdict, judge
from src.tracking.run import Status
from src.tracking.runs import finished_run, was_deleted


def run_session(request: Request, *, stop: StopRequest, screen: SweepScreen) -> Outcome:
    """Search until a target, a budget, failures or a signal end it, then confirm and report.

    After a signal only the report is made. Raises ConfigError, before anything is trained, where
    the space does not fit the configuration, the definition has changed since the sweep began, or
    another driver works on it.
    """
    check_space(request.space, request.settings, request.composer)
    folder = request.plan.tracking.folder.resolve()
    studies = open_studies(folder, request.settings.storage)
    with ExitStack() as stack:
        executor: Executor = request.executor.build()
        stack.callback(executor.close)
        executor.check(request.plan)
        dataset = request.plan.data.build().load()
        test = check_first(request.space, request.settings, request.composer, dataset)
        storage = stack.enter_context(_only_driver(studies, request.name))
        study = open_study(
            storage,
            latest_name(storage, request.name, fresh=request.settings.fresh),
            settings=request.settings,
            space=request.space,
            definition=_definition(request, dataset, test),
            sampler=request.sampler,
            pruner=request.pruner,
            end_run=_end_run(request.plan.tracking),
        )
        parent = stack.enter_context(
            open_parent(study, request.plan, request.settings, dataset, stop=stop)
        )
        earlier = best_trial(study)
        earlier_run = earlier.user_attrs["run_id"] if earlier else None
        lost = earlier_run if was_deleted(request.plan.tracking, earlier_run) else None
        executor.start()
        stack.enter_context(screen)
        screen.say(_heading(request, study, executor))
        loaded()
        usage = Usage(study, executor)
        driver = _search(request, study, executor, parent.id, usage, stop=stop, screen=screen)
        best = best_trial(study)
        best_run = best.user_attrs["run_id"] if best else None
        if best_run == lost:
            best_run = None
        champion = _champion(request, study, best)
        scores = None
        if best is not None and champion is not None and not stop.interrupted:
            if len(request.settings.objective) == 1:
                confirm(
                    study,
                    champion,
                    executor,
                    settings=request.settings,
                    parent=parent.id,
                    screen=screen,
                    stop=stop,
                    end_run=_end_run(request.plan.tracking),
                )
            if not stop.interrupted and best_run is not None:
                scores = evaluate_on_test(study, champion, best_run, executor, screen=screen)
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
            folder=folder / "sweeps" / study.study_name,
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
        finish_parent(parent, request.plan.tracking, outcome.folder, summary, request.settings)
    return outcome


def _end_run(tracking: Tracking) -> EndRun:
    def end_run(run_id: str, status: Status, reason: str) -> None:
        finished_run(tracking, run_id).finish(status, reason=reason)

    return end_run


def _heading(request: Request, study: optuna.Study, executor: Executor) -> str:
    settings = request.settings
    goal = f", until {settings.target:g}" if settings.target is not None else ""
    objective = ", ".join(f"{o.direction} {o.metric}" for o in settings.objective)
    return (
        f"sweep {study.study_name} on {request.plan.choices['data']}: {objective}{goal}; "
        f"{len(finished_trials(study))} of {settings.n_trials} trials done, "
        f"{executor.num_workers} worker{'s' if executor.num_workers > 1 else ''}"
    )


def _search(
    request: Request,
    study: optuna.Study,
    executor: Executor,
    parent: str,
    usage: Usage,
    *,
    stop: StopRequest,
    screen: SweepScreen,
) -> Driver:
    driver = Driver(
        study,
        settings=request.settings,
        space=request.space,
        composer=request.composer,
        executor=executor,
        parent=parent,
        usage=usage,
        screen=screen,
        stop=stop,
        end_run=_end_run(request.plan.tracking),
    )
    driver.run()
    return driver


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


@contextmanager
def _only_driver(studies: Studies, name: str) -> Iterator[BaseStorage]:
    """Hold the sweep for this process."""
    with ExitStack() as stack:
        try:
            storage = stack.enter_context(studies.lock(name))
        except SweepLockedError as error:
            raise ConfigError(
                f"`name`={name}: another process is working on this sweep; wait for it, or give "
                "this one another name"
            ) from error
        yield storage
