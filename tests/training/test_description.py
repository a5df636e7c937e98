"""A training in words: names that say what differs, and what makes another configuration."""

from dataclasses import replace

import pytest
import yaml

from src.cli.overrides import CONF
from src.training.description import (
    USUAL,
    as_trial,
    config_digest,
    describe_configuration,
    describe_params,
    run_name,
)
from tests.plans import plan_of

NAMES = {
    "": "dnn 256-128 batch norm augment thickness 0.5 lr 0.006 epochs 18 batch 256 s1",
    "model=dnn": "dnn 256-128 dropout 0.2 s1",
    "model=linear seed=2": "linear s2",
    "model=dnn model.hidden_sizes=[512,512] regularization=augment": "dnn 512-512 augment s1",
    "model=dnn optimizer.lr=0.01 data=digits": "dnn 256-128 dropout 0.2 lr 0.01 digits s1",
    "model=dnn optimizer=sgd optimizer.lr=0.01": "dnn 256-128 dropout 0.2 sgd lr 0.01 s1",
    "model=dnn data.rows=5000 data.drawn=70": "dnn 256-128 dropout 0.2 rows 5000 drawn 70 s1",
    "model=dnn data=csv data.path=/home/me/My.csv": "dnn 256-128 dropout 0.2 csv My s1",
    "experiment=none model.activation=gelu": "dnn 256-128 gelu dropout 0.2 s1",
}


@pytest.mark.parametrize(("line", "name"), NAMES.items())
def test_a_name_says_what_differs_from_what_is_usual(line, name):
    assert run_name(plan_of(*line.split())) == name


def test_what_goes_without_saying_is_what_a_command_without_values_takes():
    defaults = yaml.safe_load((CONF / "base.yaml").read_text(encoding="utf-8"))["defaults"]
    options = {k: v for entry in defaults if isinstance(entry, dict) for k, v in entry.items()}
    assert options.items() >= USUAL.items()


def test_a_long_name_ends_at_a_word():
    name = run_name(plan_of("experiment=exercise_dnn", "seed=3"))
    assert name.startswith("dnn 100-100 glorot adagrad")
    assert name.endswith(" s3")
    assert len(name) < 90


def test_a_trial_is_named_after_what_was_searched_and_a_confirmation_after_its_seed():
    plan = plan_of("model.hidden_sizes=[328]", "optimizer.lr=0.008")
    trial = as_trial(plan, 8, searched=["optimizer.lr", "model.hidden_sizes"])
    assert trial.name == "#008 328 lr 0.008"
    assert run_name(trial, confirmation=(2, 3)) == "#008 seed 2/3"


def test_params_have_nothing_twice_nothing_that_is_off_and_nothing_the_model_lacks():
    linear = describe_params(plan_of("model=linear"))
    assert not any("dropout" in key or "hidden" in key for key in linear)
    assert "None" not in map(str, linear.values())
    assert len(linear) <= 9
    strong = describe_params(plan_of("regularization=strong"))
    assert (strong["regularization.input_dropout"], strong["regularization.patience"]) == (0.1, 10)
    assert not any(key.startswith("model.") and "dropout" in key for key in strong)
    searched = as_trial(plan_of(), 0, searched=["model.activation"])
    assert describe_params(searched)["model.activation"] == "relu"


def test_a_configuration_is_the_same_whatever_the_seed_the_machine_and_the_way_it_is_said():
    plain = config_digest(plan_of("model=dnn"))
    for line in ("seed=5", "name=x", "trainer.threads=1", "trainer.steps_per_execution=4"):
        assert config_digest(plan_of("model=dnn", line)) == plain, line
    assert (
        config_digest(plan_of("model=dnn", "regularization=none", "regularization.dropout=0.2"))
        == plain
    )
    for line in ("optimizer.lr=0.01", "model.hidden_sizes=[256]", "data.split_seed=5"):
        assert config_digest(plan_of("model=dnn", line)) != plain, line


def test_a_trial_has_no_words_for_its_configuration():
    plan = replace(plan_of("model=dnn"), seed=3)
    assert describe_configuration(plan, trial=False)["configuration"] == "dnn 256-128 dropout 0.2"
    assert "configuration" not in describe_configuration(plan, trial=True)
