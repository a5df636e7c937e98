"""What every optimizer promises, for every file in conf/optimizer."""

import pytest
import torch

from src.cli.overrides import CONF
from tests.plans import plan_of

OPTIMIZERS = sorted(file.stem for file in (CONF / "optimizer").glob("*.yaml"))


def build(line, params):
    return plan_of(*line.split()).optimizer.build(params=[{"params": params}])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_finds_the_minimum_of_a_bowl(name):
    place = torch.tensor([1.0, -0.5], requires_grad=True)
    optimizer = build(f"optimizer={name} optimizer.lr=0.05", [place])
    for _ in range(800):
        optimizer.zero_grad()
        (place.square() * torch.tensor([1.0, 3.0])).sum().backward()
        optimizer.step()
    assert place.abs().max() < 0.02


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_goes_by_the_learning_rate_it_is_given(name):
    def first_step(lr):
        place = torch.tensor([1.0], requires_grad=True)
        optimizer = build(f"optimizer={name} optimizer.lr={lr}", [place])
        place.square().sum().backward()
        optimizer.step()
        return 1 - float(place.detach())

    assert first_step(0.002) == pytest.approx(2 * first_step(0.001), rel=0.02)
    assert first_step(0.001) > 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_hyperparameter_of_its_file_reaches_torch(name):
    arguments = plan_of(f"optimizer={name}").optimizer.arguments
    place = torch.tensor([1.0], requires_grad=True)
    defaults = build(f"optimizer={name}", [place]).defaults
    other_names = {"initial_accumulator": "initial_accumulator_value"}
    for key, value in arguments.items():
        assert defaults[other_names.get(key, key)] == value, key


def test_momentum_may_be_switched_off_alone():
    place = torch.tensor([1.0], requires_grad=True)
    optimizer = build("optimizer=sgd optimizer.momentum=0 optimizer.lr=0.25", [place])
    place.square().sum().backward()
    optimizer.step()
    assert float(place.detach()) == 0.5


def test_weight_decay_shrinks_weights_without_a_gradient():
    for name, shrunk in (("adamw", 1 - 0.1 * 0.5), ("sgd", 1 - 0.1 * 0.5)):
        place = torch.tensor([1.0], requires_grad=True)
        line = f"optimizer={name} optimizer.lr=0.1 optimizer.weight_decay=0.5"
        if name == "sgd":
            line += " optimizer.momentum=0"
        optimizer = build(line, [place])
        place.grad = torch.zeros(1)
        optimizer.step()
        assert float(place.detach()) == pytest.approx(shrunk), name
