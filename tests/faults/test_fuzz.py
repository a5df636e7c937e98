"""Command lines and search spaces made up at random: a plan, or lines that say what is wrong."""

import os

import hydra
import optuna
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.cli.overrides import CONF, resolved
from src.config.plan import make_plan
from src.errors import ConfigError
from src.search.check import check_space
from src.search.composer import PLAN_KEYS, Composer
from src.search.grammar import split_ranges
from src.search.request import check_sweep
from src.search.settings import SweepSettings
from src.search.space import make_space
from src.sweep import read_search
from src.training.fit import build_classifier
from tests.plans import dataset_of, plan_of, problems_of

KEYS = [
    "data", "model", "regularization", "optimizer", "scheduler", "trainer", "tracking", "seed",
    "name", "model.hidden_sizes", "model.activation", "model.dropout", "model.batch_norm",
    "model.loss", "optimizer.lr", "optimizer.weight_decay", "regularization.l2",
    "regularization.patience", "regularization.augmentation", "trainer.max_epochs",
    "trainer.batch_size", "trainer.accelerator", "tracking.folder", "tracking.experiment",
    "data.split_seed", "data._target_", "model._target_", "optimizer.lrr", "experiment", "resume",
]  # fmt: skip
VALUES = [
    "1", "0", "-1", "0.5", "1e-3", "1e400", "nan", "inf", "-0.0", "true", "null", "abc", "''", "[]",
    "{}", "[1,2]", "[1,[2]]", "{a:1}", "linear", "dnn", "adamw", "sgd", "digits", "cosine", "1_000",
    "0x10", "${seed}", "${nowhere}", "${oc.env:HOME}", "${", "$", "../../x", "a b", "é", "'", '"',
    "(", "choice(1,2)", "interval(0,1)", "range(1,3)", "glob(*)", "src.models.linear.linear",
    "src.cli.entry.os.system", "os.system", "99999999999999999999", "1,2", "a=b", "\\", "%", "???",
]  # fmt: skip
KEY = st.one_of(st.sampled_from(KEYS), st.text(max_size=8))
VALUE = st.one_of(st.sampled_from(VALUES), st.text(max_size=8))
OVERRIDE = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "", "", "+", "++", "~"]), KEY, VALUE),
    st.text(max_size=12),
)


def many(slow: int, quick: int):
    """Return the settings of a test: few examples in `make test`, thousands in `make faults`."""
    return settings(
        max_examples=slow if os.environ.get("FUZZ") == "long" else quick,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def check_lines(problems) -> None:
    for problem in problems:
        assert problem.strip()
        assert "\n" not in problem
        assert "Traceback" not in problem


@many(slow=3_000, quick=20)
@given(st.lists(OVERRIDE, min_size=1, max_size=3))
@example(["model._target_=src.cli.entry.os.system"])
@example(["optimizer.lr=nan"])
@example(["data=[1,2]"])
@example(["data=[1,[2]]"])
def test_any_command_line_is_a_plan_or_is_told_what_is_wrong(overrides):
    problems = problems_of(*overrides)
    check_lines(problems)
    try:
        split_ranges(overrides)
    except ConfigError as error:
        check_lines(error.problems)


SMALL = ("data=digits", "trainer.threads=1")
NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1),
    st.booleans(),
    st.none(),
    st.sampled_from(["a", "relu", "[8]", ""]),
)


@pytest.fixture(scope="module")
def digits():
    return dataset_of(plan_of(*SMALL))


@many(slow=2_000, quick=15)
@given(
    st.sampled_from([key for key in KEYS if "." in key and "tracking" not in key]),
    NUMBERS,
    st.sampled_from(["adamw", "adam", "sgd", "adagrad"]),
)
def test_any_value_that_passes_the_checks_builds_a_classifier(digits, key, value, optimizer):
    line = (*SMALL, f"optimizer={optimizer}", f"{key}={yaml.safe_dump(value).split(chr(10))[0]}")
    problems = problems_of(*line)
    check_lines(problems)
    if not problems:
        try:
            build_classifier(plan_of(*line), digits)
        except ConfigError as error:
            check_lines(error.problems)


SPACE_KEYS = st.sampled_from(
    ["optimizer.lr", "model.hidden_sizes", "model", "regularization.dropout", "nowhere", "seed"]
)
PARTS = st.sampled_from(
    ["low", "high", "log", "step", "choices", "layers", "width", "when", "lo", "target"]
)
SCALARS = st.one_of(
    st.integers(-3, 300),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([1e-4, 1e-1, 0.5, 10**30, 1e308, -1e308, 5e-324]),
    st.booleans(),
    st.none(),
    st.sampled_from(["dnn", "linear", "relu", "${seed}", "", "a"]),
)
NODES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(PARTS, inner, max_size=4)),
    max_leaves=8,
)
NUMBER_RANGE = st.fixed_dictionaries(
    {"low": SCALARS, "high": SCALARS}, optional={"log": st.booleans(), "step": SCALARS}
)
SPACES = st.dictionaries(SPACE_KEYS, st.one_of(NODES, NUMBER_RANGE), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def composer():
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield Composer("sweep", ["data=digits"], threads=1)


@many(slow=3_000, quick=60)
@given(SPACES)
@example({"optimizer.lr": {"low": 0.0, "high": 1e308, "step": 1e-300}})
@example({"optimizer.lr": {"low": 1, "high": 10**30}})
@example({"optimizer.lr": {"low": 1, "high": 10**30, "step": 1.0}})
@example({"optimizer.lr": {"low": 1, "high": 10**400}})
@example({"optimizer.lr": {"low": -1e308, "high": 1e308}})
def test_any_space_is_searched_or_is_told_what_is_wrong(composer, written):
    try:
        space = make_space(written)
        check_space(space, SweepSettings(), composer)
    except ConfigError as error:
        check_lines(error.problems)
        return
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(3):
        assignment = space.draw(study.ask(), composer.base_values())
        assert space.encode(assignment)


@pytest.fixture(scope="module")
def whole(composer):
    return OmegaConf.to_container(hydra.compose("sweep"), resolve=True)


@many(slow=3_000, quick=80)
@given(
    st.one_of(
        st.text(max_size=60),
        st.dictionaries(
            st.sampled_from(["space", "target", "n_trials", "objective", "confirm", "enqueue"]),
            NODES,
            max_size=3,
        ).map(yaml.safe_dump),
    )
)
@example("0")
@example("1.5")
@example("&a [*a]")
@example("[target, 0.9]")
def test_any_text_of_a_search_is_read_or_is_told_what_is_wrong(whole, tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "search.yaml"
    path.write_text(text)
    try:
        written = resolved(read_search(path))
    except ConfigError as error:
        check_lines(error.problems)
        return
    config = dict(whole)
    config |= {key: value for key, value in written.items() if key in config}
    for attempt in (
        lambda: check_sweep(config),
        lambda: make_plan({k: v for k, v in config.items() if k in PLAN_KEYS}, choices={}),
    ):
        try:
            attempt()
        except ConfigError as error:
            check_lines(error.problems)
