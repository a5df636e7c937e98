"""What every schedule promises, for every file in conf/scheduler and every optimizer."""

from itertools import pairwise

import pytest
import torch

from src.cli.overrides import CONF
from tests.plans import plan_of

SCHEDULERS = sorted(file.stem for file in (CONF / "scheduler").glob("*.yaml"))
OPTIMIZERS = sorted(file.stem for file in (CONF / "optimizer").glob("*.yaml"))
STEPS = 200


def rates(line, steps=STEPS):
    """Return the learning rate of each of the steps, then the one after the last."""
    plan = plan_of(*line.split())
    optimizer = plan.optimizer.build(params=[{"params": [torch.ones(1, requires_grad=True)]}])
    scheduler = plan.scheduler.build(optimizer=optimizer, total_steps=steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*seen, optimizer.param_groups[0]["lr"]]


@pytest.mark.parametrize("steps", [1, 2, 3, STEPS])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_schedule_lasts_to_the_last_step_and_stays_within_the_learning_rate(
    scheduler, optimizer, steps
):
    line = f"scheduler={scheduler} optimizer={optimizer} optimizer.lr=0.01"
    seen = rates(line, steps)
    assert len(seen) == steps + 1
    assert all(0 <= rate <= 0.01 * (1 + 1e-9) for rate in seen)


def test_constant_stays():
    assert set(rates("scheduler=constant optimizer.lr=0.01")) == {0.01}


def test_cosine_falls_all_the_way_to_its_fraction():
    seen = rates("scheduler=cosine scheduler.final_fraction=0.1 optimizer.lr=0.01")
    assert seen[0] == 0.01
    assert seen[STEPS // 2] == pytest.approx(0.01 * (0.1 + 0.9 / 2))
    assert seen[-1] == pytest.approx(0.001)
    assert all(later < earlier for earlier, later in pairwise(seen))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_one_cycle_rises_to_the_learning_rate_and_falls_to_nearly_nothing(fraction):
    seen = rates(f"scheduler=one_cycle scheduler.rising_fraction={fraction} optimizer.lr=0.01")
    peak = seen.index(max(seen))
    assert seen[peak] == pytest.approx(0.01, rel=1e-3)
    assert peak == pytest.approx(fraction * STEPS, abs=2)
    assert seen[0] < 0.01 / 20
    assert seen[-1] < 0.01 / 1000
    assert seen[:peak] == sorted(seen[:peak])
    assert seen[peak:] == sorted(seen[peak:], reverse=True)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("optimizer=sgd optimizer.momentum=0.3", "momentum", 0.3),
        ("optimizer=sgd optimizer.momentum=0.0", "momentum", 0.0),
        ("optimizer=adamw optimizer.betas=[0.7,0.99]", "betas", (0.7, 0.99)),
    ],
)
def test_a_schedule_leaves_the_other_hyperparameters_alone(scheduler, line, key, value):
    plan = plan_of(f"scheduler={scheduler}", *line.split())
    optimizer = plan.optimizer.build(params=[{"params": [torch.ones(1, requires_grad=True)]}])
    schedule = plan.scheduler.build(optimizer=optimizer, total_steps=STEPS)
    for _ in range(STEPS):
        assert optimizer.param_groups[0][key] == value
        optimizer.step()
        schedule.step()
