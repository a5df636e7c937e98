"""`python -m src.train`: train one model, tracked."""

from functools import partial

from omegaconf import DictConfig

from src.config import plan_from, run_verb, task_overrides
from src.errors import ConfigError
from src.interrupt import Halted, stop_on_signals
from src.plan import Plan, make_plan


def train_command(config: DictConfig) -> None:
    """Check the configuration, train, print the result and where to look."""
    plan = resumed_plan(config) if config.resume else plan_from(config)
    dataset = plan.data.build().load()
    # loaded only now, so that a mistake in the configuration or the data is answered at once
    from src.console import epoch_reporter, print_result, print_way_on
    from src.training import train

    started: list[str] = []
    try:
        with stop_on_signals() as stop:
            result = train(
                plan,
                reporter=epoch_reporter(plan),
                check_stop=stop.check,
                look_at_test=True,
                dataset=dataset,
                on_start=started.append,
            )
    except Halted:
        print_way_on(started, plan)
        raise
    print_result(result, plan)


def resumed_plan(config: DictConfig) -> Plan:
    """Return the plan of the interrupted run that `resume` names, unchanged.

    Raises ConfigError where there is none, or where the command line asks for another plan.
    """
    from src.tracking.runs import find_interrupted

    others = [o for o in task_overrides() if not o.startswith(("resume=", "tracking"))]
    if others:
        raise ConfigError(
            f"`{others[0]}`: cannot be changed, resume={config.resume} goes on with the "
            "configuration of that run; leave it out, or start a new run"
        )
    now = plan_from(config)
    tracking = now.tracking
    if not tracking.enabled:
        raise ConfigError(
            f"`tracking`=off: cannot be, resume={config.resume} goes on with a tracked run"
        )
    asked = next(o.removeprefix("resume=") for o in task_overrides() if o.startswith("resume="))
    run_id, stored = find_interrupted(tracking, asked)  # as typed: 12e4 is no number here
    choices = stored.pop("choices")
    stored |= {"resume": run_id, "tracking": now.config["tracking"]}
    return make_plan(stored, choices=choices)


if __name__ == "__main__":
    run_verb(train_command, config_name="train", check=partial(make_plan, choices={}))
