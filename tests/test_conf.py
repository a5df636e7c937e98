"""Every file in conf/: composes, passes all checks, and names all hyperparameters."""

import inspect

import hydra
import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from src.cli.overrides import CONF
from src.config.plan import INJECTED_ARGUMENTS, NOT_ARGUMENTS
from src.config.settings import Regularization, Tracking, Trainer
from tests.plans import plan_of

SETTINGS = {"regularization": Regularization, "trainer": Trainer, "tracking": Tracking}
KINDS = {"data", "model", "optimizer", "scheduler"}
FILES = sorted(f for f in CONF.glob("*/*.yaml") if f.parent.name in {*KINDS, *SETTINGS})
COMPONENTS = [file for file in FILES if file.parent.name in KINDS]
NEEDED = {"tracking=server": ("tracking.uri=http://127.0.0.1:5000",)}
"""What a file has to be given on the command line."""
PARTS = [file for file in FILES if file.parent.name in SETTINGS]


def name(file):
    return f"{file.parent.name}={file.stem}"


def written(file):
    return OmegaConf.to_container(OmegaConf.load(file))


def hyperparameters(target):
    """Return the constructor's arguments that do not come from the program, with defaults."""
    kind_of = inspect.signature(get_object(target)).parameters
    return {name: parameter.default for name, parameter in kind_of.items()}


def test_the_choices_of_the_issue_are_there():
    there = {name(file) for file in FILES}
    presets = ["none", "l1", "l2", "elastic_net", "dropout", "augment", "strong"]
    assert {f"regularization={preset}" for preset in presets} <= there
    assert {"model=linear", "model=dnn", "data=mnist_20k", "data=digits", "data=csv"} <= there
    assert {f"optimizer={o}" for o in ("adamw", "adam", "sgd", "adagrad")} <= there
    assert {f"scheduler={s}" for s in ("constant", "cosine", "one_cycle")} <= there


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_file_composes_and_passes_all_checks(file):
    plan = plan_of(name(file), *NEEDED.get(name(file), ()))
    if file.parent.name in plan.choices:
        assert plan.choices[file.parent.name] == file.stem


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_file_says_in_its_first_line_what_it_is(file):
    first = file.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > len("# x")


@pytest.mark.parametrize("file", COMPONENTS, ids=name)
def test_a_component_file_names_exactly_the_hyperparameters(file):
    kind, values = file.parent.name, written(file)
    arguments = hyperparameters(values["_target_"])
    hyper = set(arguments) - set(INJECTED_ARGUMENTS[kind])
    assert set(values) - {"_target_"} - NOT_ARGUMENTS.get(kind, set()) == hyper


@pytest.mark.parametrize("file", COMPONENTS, ids=name)
def test_what_has_a_default_is_a_hyperparameter_and_the_rest_is_provided(file):
    kind, values = file.parent.name, written(file)
    arguments = hyperparameters(values["_target_"])
    without = {name for name, value in arguments.items() if value is inspect.Parameter.empty}
    assert without == set(INJECTED_ARGUMENTS[kind]) & set(arguments)


@pytest.mark.parametrize(
    "file",
    [file for file in COMPONENTS if file.parent.name in {"optimizer", "scheduler"}],
    ids=name,
)
def test_the_file_of_an_optimizer_or_schedule_gives_the_constructors_defaults(file):
    values = written(file)
    arguments = hyperparameters(values.pop("_target_"))
    defaults = {key: arguments[key] for key in values}
    assert defaults == {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


@pytest.mark.parametrize("file", PARTS, ids=name)
def test_all_files_of_a_group_of_values_set_the_same_fields(file):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra.compose("train", overrides=[name(file)])
    assert list(composed[file.parent.name]) == list(SETTINGS[file.parent.name].model_fields)


def test_the_file_of_defaults_is_what_the_program_does_by_default():
    assert Trainer(**written(CONF / "trainer" / "default.yaml")) == Trainer()
    assert Tracking(**written(CONF / "tracking" / "local.yaml")) == Tracking()
    assert Regularization(**written(CONF / "regularization" / "none.yaml")) == Regularization()


def test_the_presets_do_what_their_names_say():
    def on(preset):
        values = plan_of(f"regularization={preset}").regularization.model_dump()
        return {key for key, value in values.items() if value}

    assert on("none") == set()
    assert on("l1") == {"l1"}
    assert on("l2") == {"l2"}
    assert on("elastic_net") == {"l1", "l2"}
    assert on("dropout") == {"dropout"}
    assert on("augment") == {"augmentation"}
    assert len(on("strong")) >= 4


def test_a_mixture_of_regularizations_can_be_written_by_hand():
    plan = plan_of("regularization=l2", "regularization.dropout=0.4", "regularization.l1=1e-6")
    assert (plan.regularization.l1, plan.regularization.l2) == (1e-6, 1e-4)
    assert plan.model.arguments["dropout"] == 0.4
