"""The experiments of conf/experiment: the exercise's recipes, as shared words and as numbers."""

import pytest

from src.cli.overrides import CONF
from src.training.fit import minibatches
from tests.plans import dataset_of, fit_of, plan_of

NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))

RECIPES = {  # steps, images in a minibatch, learning rate
    "exercise_linear_start": (100, 10, 0.02),
    "exercise_linear": (1000, 30, 0.03),
    "exercise_dnn_10_steps": (10, 30, 0.05),
    "exercise_dnn_100_steps": (100, 30, 0.05),
    "exercise_dnn": (1000, 30, 0.05),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_composes_and_passes_all_checks(name):
    assert plan_of(f"experiment={name}", "seed=7").seed == 7


def test_without_model_or_data_of_its_own_a_line_trains_the_one_for_what_people_draw():
    hands = plan_of("experiment=hands")
    assert plan_of().config == hands.config
    assert hands.choices["data"] == "mnist_drawn_20k"
    assert hands.regularization.augmentation > 0 < hands.regularization.thickness
    assert plan_of("model=dnn", "experiment=hands").config == hands.config
    assert plan_of("regularization.thickness=0", "seed=2").choices["data"] == "mnist_drawn_20k"


@pytest.mark.parametrize(
    "line", ["model=dnn", "experiment=none", "model=linear", "data=mnist_20k", "data=digits"]
)
def test_with_a_model_or_data_a_line_trains_it_plainly(line):
    plan = plan_of(line)
    assert plan.choices["data"] == ("digits" if line == "data=digits" else "mnist_20k")
    assert (plan.regularization.augmentation, plan.regularization.thickness) == (0, 0)
    assert not plan.model.arguments.get("batch_norm")
    assert (plan.trainer.batch_size, plan.optimizer.arguments["lr"]) == (128, 3e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_are_those_of_the_exercise(name):
    steps, batch_size, lr = RECIPES[name]
    plan = plan_of(f"experiment={name}", "seed=3")
    dataset = dataset_of(plan)
    assert (len(dataset.train), len(dataset.validation)) == (7_500, 2_500)
    assert minibatches(plan, dataset) == (batch_size, steps // 10)
    assert plan.trainer.max_epochs == 10
    assert plan.optimizer.arguments == {"lr": lr, "initial_accumulator": 0.1}
    assert plan.trainer.loss_reduction == "sum"
    assert plan.trainer.gradient_clip_norm == 5.0
    assert plan.trainer.select == "last"
    assert not any(plan.regularization.model_dump().values())
    if "dnn" in name:
        assert plan.model.arguments["hidden_sizes"] == [100, 100]
        assert plan.model.arguments["init"] == "glorot"


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("exercise_linear", 0.885, 0.921),  # published: 0.903, spread between rows and seeds 0.006
        ("exercise_dnn_100_steps", 0.80, 0.91),  # published: 0.857
    ],
)
def test_a_recipe_reaches_what_the_exercise_reaches(tmp_path, name, low, high):
    plan = plan_of(f"experiment={name}", "seed=1", "trainer.threads=1")
    done = fit_of(plan, dataset_of(plan), tmp_path)
    assert low <= done.classifier.history[-1]["val_accuracy"] <= high


@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("dnn_20k", 19_000, 1_000),
        ("dnn_20k_short", 15_000, 5_000),
        ("dnn_full", 55_000, 5_000),
    ],
)
def test_the_best_networks_learn_from_as_many_rows_as_they_say(name, train, validation):
    plan = plan_of(f"experiment={name}")
    dataset = dataset_of(plan)
    assert (len(dataset.train), len(dataset.validation)) == (train, validation)
    assert plan.trainer.select == "last"  # nothing is chosen by the rows that are left
