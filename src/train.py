"""`python -m src.train`: train one model, tracked."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import plan_from, task_overrides
from src.config.plan import Plan, make_plan
from src.errors import ConfigError
from src.process.signals import Halted, stop_on_signals

if TYPE_CHECKING:
    from src.training.result import Result


def train_command(config: DictConfig) -> None:
    """Check the configuration, train, print the result and where to look."""
    if config.reproduce is not None:
        reproduce_command(config)
        return
    plan = resumed_plan(config) if config.resume else plan_from(config)
    run_plan(plan, look_at_test=True)


def run_plan(plan: Plan, *, look_at_test: bool, tags: Mapping[str, str] | None = None) -> "Result":
    """Train the plan until its end or a signal, and print the result or the way on."""
    dataset = plan.data.build().load()
    # loaded only now, so that a mistake in the configuration or the data is answered at once
    from src.cli.output import print_result, print_way_on
    from src.training.progress import epoch_reporter
    from src.training.train_run import train

    started: list[str] = []
    try:
        with stop_on_signals() as stop:
            result = train(
                plan,
                reporter=epoch_reporter(plan),
                check_stop=stop.check,
                look_at_test=look_at_test,
                dataset=dataset,
                on_start=started.append,
                tags=tags or {},
            )
    except Halted:
        print_way_on(started, plan)
        raise
    print_result(result, plan)
    return result


def resumed_plan(config: DictConfig) -> Plan:
    """Return the plan of the interrupted run that `resume` names, unchanged.

    Raises ConfigError where there is none, or where the command line asks for another plan.
    """
    from src.tracking.runs import find_interrupted

    asked, now = as_asked("resume", "goes on with", config)
    run_id, stored = find_interrupted(now.tracking, asked)  # as typed: 12e4 is no number here
    choices = stored.pop("choices")
    stored |= {"resume": run_id, "tracking": now.config["tracking"]}
    return make_plan(stored, choices=choices)


def reproduce_command(config: DictConfig) -> None:
    """Train a finished run again as it was, and say whether it came out the same."""
    asked, now = as_asked("reproduce", "repeats", config)
    from src.cli.output import print_reproduction
    from src.tracking.queries import StoredRuns
    from src.tracking.runs import finished_run
    from src.training.reproduce import compare_runs, plan_again

    stored = StoredRuns(now.tracking)
    plan, old = plan_again(stored, asked, now.tracking)
    result = run_plan(plan, look_at_test=old.tested, tags={"reproduces": old.id})
    reproduction = compare_runs(stored, old, stored.again(result.run_id))
    finished_run(now.tracking, result.run_id).set_tags(reproduction.tags)
    print_reproduction(reproduction, old)
    reproduction.expect_same()


def as_asked(key: str, does: str, config: DictConfig) -> tuple[str, Plan]:
    """Return the run that `key` names, as typed: 12e4 is no number here; and what else is asked.

    Raises ConfigError where the command line says more than where the store is.
    """
    others = [o for o in task_overrides() if not o.startswith((f"{key}=", "tracking"))]
    if others:
        raise ConfigError(
            f"`{others[0]}`: cannot be changed, {key}={config[key]} {does} the "
            "configuration of that run; leave it out, or start a new run"
        )
    now = plan_from(config)
    if not now.tracking.enabled:
        raise ConfigError(f"`tracking`=off: cannot be, {key}={config[key]} {does} a tracked run")
    typed = next(o.removeprefix(f"{key}=") for o in task_overrides() if o.startswith(f"{key}="))
    return typed.strip("'\""), now


if __name__ == "__main__":
    run_verb(train_command, config_name="train", check=partial(make_plan, choices={}))
