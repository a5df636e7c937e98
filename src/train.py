"""`python -m src.train`: train one model, tracked."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.cli.arguments import read_said_of_run
from src.cli.entry import run_verb
from src.cli.output import print_grid, print_reproduction, print_result, print_resume_command
from src.cli.overrides import plan_from, task_overrides
from src.config.plan import Plan, make_plan
from src.errors import CommandFailed, ConfigError
from src.process.signals import Halted, stop_on_signals

if TYPE_CHECKING:
    from src.tracking.connection import Store
    from src.tracking.queries import StoredRun
    from src.training.reproduce import ValuesSaid
    from src.training.result import Result


def train_command(config: DictConfig, *, said: "ValuesSaid") -> "Result":
    """Check the configuration, train, print the result and where to look.

    said: gives the values that stand beside `resume=` or `reproduce=` on the command line.
    """
    if config.reproduce is not None and config.resume is not None:
        raise ConfigError("`resume` and `reproduce`: give one of them")
    if config.reproduce is not None:
        return reproduce_command(config, said)
    if config.resume is not None:
        plan, store = resumed_plan(config, said)
        return run_plan(plan, store=store)
    return run_plan(plan_from(config))


def run_plan(
    plan: Plan,
    *,
    store: "Store | None" = None,
    repeats: "StoredRun | None" = None,
) -> "Result":
    """Train the plan until its end or a signal, and print the result or the way on.

    store: where it is open already.
    """
    source = plan.data.build()
    if plan.test:
        source.check_test()
    dataset = source.load()
    for note in dataset.notes:
        print(f"data: {note}", flush=True)
    # loaded only now, so that a mistake in the configuration or the data is answered at once
    from src.tracking.store import open_store
    from src.training.fit import require_trainable
    from src.training.progress import epoch_reporter
    from src.training.train_run import train

    require_trainable(plan, dataset)
    if store is None and plan.tracking.enabled:
        store = open_store(plan.tracking)
    started: list[str] = []
    try:
        with stop_on_signals() as stop:
            result = train(
                plan,
                source=source,
                store=store,
                reporter=epoch_reporter(plan),
                check_stop=stop.check,
                evaluate_on_test_set=plan.test,
                on_start=lambda run_id, parameters: started.append(run_id),
                repeats=repeats,
            )
    except Halted:
        print_resume_command(started, plan)
        raise
    print_result(result, plan)
    return result


def resumed_plan(config: DictConfig, said: "ValuesSaid") -> "tuple[Plan, Store]":
    """Return the plan of the interrupted run that `resume` names, but for where its files are.

    Raises ConfigError where there is none, or where the command line asks for another plan.
    """
    asked, now = requested_run("resume", config)
    from src.tracking.runs import find_interrupted
    from src.tracking.store import open_existing_store
    from src.training.reproduce import as_kept

    store = open_existing_store(now.tracking)
    run_id, stored = find_interrupted(store, asked)
    stored = as_kept(stored, said, asked=f"resume={asked} resumes")
    choices = stored.pop("choices")
    stored |= {"resume": run_id, "tracking": now.config["tracking"]}
    return make_plan(stored, choices=choices), store


def reproduce_command(config: DictConfig, said: "ValuesSaid") -> "Result":
    """Train a finished run again as it was, and say whether it came out the same."""
    asked, now = requested_run("reproduce", config)
    from src.tracking.queries import StoredRuns
    from src.tracking.runs import existing_run
    from src.tracking.store import open_existing_store
    from src.training.reproduce import compare_runs, plan_again

    store = open_existing_store(now.tracking)
    stored = StoredRuns(store)
    plan, old = plan_again(stored, asked, said=said)
    plan = replace(plan, test=plan.test and old.tested)  # a sweep's trials have not looked
    result = run_plan(plan, store=store, repeats=old)
    reproduction = compare_runs(stored, old, stored.get(result.run_id))
    existing_run(store, result.run_id).set_tags(reproduction.tags)
    print_reproduction(reproduction, old)
    if reproduction.verdict == "different":
        raise CommandFailed("the run came out different")
    return result


def requested_run(key: str, config: DictConfig) -> tuple[str, Plan]:
    """Return the run that `key` names, as typed: 12e4 is no number here; and where the store is."""
    now = plan_from(config)
    if not now.tracking.enabled:
        raise ConfigError(f"`tracking`=off: cannot be, {key}={config[key]} names a tracked run")
    words = [word.lstrip("+").partition("=") for word in task_overrides()]
    typed = [str(config[key]), *(value for name, _, value in words if name == key)]
    return typed[-1].strip("'\""), now


if __name__ == "__main__":
    run_verb(
        train_command,
        config_name="train",
        check=partial(make_plan, choices={}),
        read=read_said_of_run,
        sum_up=print_grid,
    )
