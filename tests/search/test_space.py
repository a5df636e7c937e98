"""What a search space in YAML means, and what it says where it means nothing."""

import json

import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from src.errors import ConfigError
from src.search.space import condition_met, make_space


def space_of(text: str):
    return make_space(yaml.safe_load(text))


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        space_of(text)
    return list(caught.value.problems)


def drawn(space, *, params=None, base=None, seed=0):
    """Return the values and the Optuna trial of one draw, the given parameters fixed."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    if params is not None:
        study.enqueue_trial(params)
    trial = study.ask()
    return space.draw(trial, base or {}), trial


@pytest.mark.parametrize(
    ("entry", "distribution"),
    [
        ("{low: 1, high: 4}", IntDistribution(1, 4)),
        ("{low: 16, high: 128, log: true}", IntDistribution(16, 128, log=True)),
        ("{low: 2, high: 10, step: 4}", IntDistribution(2, 10, step=4)),
        ("{low: 0.0, high: 0.5}", FloatDistribution(0.0, 0.5)),
        ("{low: 0, high: 0.5}", FloatDistribution(0.0, 0.5)),
        ("{low: 0, high: 1, step: 0.25}", FloatDistribution(0.0, 1.0, step=0.25)),
        ("{low: 1.0e-4, high: 0.1, log: true}", FloatDistribution(1e-4, 0.1, log=True)),
        ("{choices: [64, relu, true, null]}", CategoricalDistribution([64, "relu", True, None])),
        ("{choices: [[16], [32, 16]]}", CategoricalDistribution(["[16]", "[32, 16]"])),
    ],
)
def test_an_entry_is_drawn_as_optuna_distributes_it(entry, distribution):
    _, trial = drawn(space_of(f"key: {entry}"))
    assert trial.distributions == {"key": distribution}


def test_a_choice_among_lists_is_given_as_a_list():
    space = space_of("a: {choices: [[16], [32, 16]]}")
    values = {json.dumps(drawn(space, seed=seed)[0]) for seed in range(20)}
    assert values == {'{"a": [16]}', '{"a": [32, 16]}'}


LAYERS = "model.hidden_sizes: {layers: {low: 1, high: 3}, width: {low: 8, high: 64, log: true}}"


@pytest.mark.parametrize(
    ("entry", "ends"),
    [
        ("{low: 0.0, high: 1.0, step: 0.3}", [0.0, 0.9]),
        ("{low: 0.1, high: 0.5, step: 0.1}", [0.1, 0.5]),
        ("{low: 2, high: 11, step: 4}", [2, 10]),
        ("{low: 1, high: 9}", [1, 9]),
        ("{low: 0.5, high: 9}", [0.5, 9]),
    ],
)
def test_the_ends_of_a_range_are_values_that_can_be_drawn(entry, ends):
    space = space_of(f"key: {entry}")
    assert space.entries["key"].extremes() == ends
    assert all(space.entries["key"].contains(end) for end in ends)


def test_layers_are_a_list_whose_length_and_places_are_drawn():
    seen = set()
    for seed in range(30):
        values, trial = drawn(space_of(LAYERS), seed=seed)
        sizes = values["model.hidden_sizes"]
        seen.add(len(sizes))
        places = [f"model.hidden_sizes.{place}" for place in range(1, len(sizes) + 1)]
        assert list(trial.params) == ["model.hidden_sizes.layers", *places]
        assert [trial.params[place] for place in places] == sizes
        assert all(8 <= size <= 64 for size in sizes)
    assert seen == {1, 2, 3}


def test_layers_and_widths_may_be_choices():
    space = space_of("a: {layers: {choices: [1, 3]}, width: {choices: [16, 64]}}")
    values = [drawn(space, seed=seed)[0]["a"] for seed in range(30)]
    assert {len(value) for value in values} == {1, 3}
    assert {width for value in values for width in value} == {16, 64}


CONDITIONAL = """
model: {choices: [linear, dnn]}
model.hidden_sizes: {choices: [[8], [16]], when: {model: dnn}}
regularization.l2: {low: 0.1, high: 0.2, when: {model: [linear, other], data: digits}}
"""


@pytest.mark.parametrize(
    ("model", "data", "keys"),
    [
        ("dnn", "digits", {"model", "model.hidden_sizes"}),
        ("linear", "digits", {"model", "regularization.l2"}),
        ("linear", "mnist", {"model"}),
    ],
)
def test_a_parameter_exists_only_under_its_condition(model, data, keys):
    space = space_of(CONDITIONAL)
    values, trial = drawn(space, params={"model": model}, base={"data": data})
    assert values.keys() == keys
    assert trial.params.keys() == keys


def test_a_condition_on_a_key_that_is_not_there_does_not_hold():
    assert not condition_met({"missing": 1}, {})
    assert condition_met({}, {})
    assert condition_met({"a": [1, 2], "b": "x"}, {"a": 2, "b": "x"})
    assert not condition_met({"a": [1, 2], "b": "x"}, {"a": 2, "b": "y"})


def test_a_plain_value_is_fixed_in_every_trial_and_not_searched():
    space = space_of("model.hidden_sizes: [512, 256]\nmodel.activation: gelu\na: {choices: [1, 2]}")
    values, trial = drawn(space)
    assert values == {
        "model.hidden_sizes": [512, 256],
        "model.activation": "gelu",
        "a": trial.params["a"],
    }
    assert trial.params.keys() == {"a"}


def test_a_fixed_value_can_be_a_condition():
    space = space_of("model: dnn\na: {low: 1, high: 2, when: {model: dnn}}")
    assert drawn(space, base={"model": "linear"})[0].keys() == {"model", "a"}


numbers = st.floats(1e-6, 1e6, allow_nan=False).flatmap(
    lambda low: st.floats(low, 1e7).map(lambda high: {"low": low, "high": high})
)
whole = st.integers(1, 50).flatmap(
    lambda low: st.integers(low, 90).map(lambda high: {"low": low, "high": high})
)
logarithmic = st.booleans().map(lambda log: {"log": True} if log else {})
ranges = st.tuples(numbers | whole, logarithmic).map(lambda parts: parts[0] | parts[1])
steps = st.tuples(whole, st.integers(1, 7)).map(lambda parts: {**parts[0], "step": parts[1]})
words = st.sampled_from(["relu", "none", "", "1", "[16]", 1, 2.5, None, False, [16], [16, 8], {}])
choices = st.lists(words, min_size=1, unique_by=repr).map(lambda some: {"choices": some})
layers = st.tuples(
    st.integers(1, 3).map(lambda most: {"low": 1, "high": most})
    | st.lists(st.integers(1, 4), min_size=1, unique=True).map(lambda some: {"choices": some}),
    whole | steps,
).map(lambda parts: {"layers": parts[0], "width": parts[1]})
entries = ranges | steps | choices | layers
spaces = st.dictionaries(st.sampled_from(["a", "model.b", "c.d"]), entries, min_size=1)


def ambiguous(written) -> bool:
    """Whether Optuna would store two of the choices as the same."""
    stored = [json.dumps(c) if isinstance(c, list | dict) else c for c in written["choices"]]
    return any(one in stored[:place] for place, one in enumerate(stored))


@given(spaces, st.integers(0, 1000))
@pytest.mark.filterwarnings("ignore:The distribution is specified by")
def test_what_is_encoded_is_drawn_again(written, seed):
    if any("choices" in entry and ambiguous(entry) for entry in written.values()):
        with pytest.raises(ConfigError, match="must differ"):
            make_space(written)
        return
    space = make_space(written)
    values, _ = drawn(space, seed=seed)
    assert all(space.entries[key].contains(value) for key, value in values.items())
    again, trial = drawn(space, params=space.encode(values), seed=seed + 1)
    assert again == values
    assert space.encode(values) == trial.params


@given(spaces)
def test_every_space_can_be_described_as_json_and_read_again(written):
    try:
        space = make_space(written)
    except ConfigError:
        return
    described = json.loads(json.dumps(space.describe()))
    assert make_space(described).describe() == space.describe()


ENQUEUED = f"""
{LAYERS}
optimizer.lr: {{low: 0.001, high: 0.1, log: true}}
trainer.batch_size: {{low: 16, high: 64, step: 16}}
regularization: {{choices: [none, l2]}}
model.activation: relu
"""


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ({"optimizer.rl": 0.01}, "optimizer.rl is not in the space; it searches model.hidden_"),
        ({"optimizer.lr": 1.0}, "optimizer.lr=1.0 is not in the space, {'low': 0.001, 'high': 0.1"),
        ({"optimizer.lr": "fast"}, "optimizer.lr='fast' is not in the space"),
        ({"trainer.batch_size": 24}, "trainer.batch_size=24 is not in the space"),
        ({"trainer.batch_size": 32.0}, "trainer.batch_size=32.0 is not in the space"),
        ({"regularization": "l1"}, "regularization='l1' is not in the space"),
        ({"model.hidden_sizes": [8, 8, 8, 8]}, "model.hidden_sizes=[8, 8, 8, 8] is not in the"),
        ({"model.hidden_sizes": [8, 100]}, "model.hidden_sizes=[8, 100] is not in the"),
        ({"model.hidden_sizes": 8}, "model.hidden_sizes=8 is not in the"),
        ({"model.activation": "gelu"}, "model.activation='gelu', but it is fixed: 'relu'"),
    ],
)
def test_what_cannot_be_tried_first_is_refused(assignment, told):
    with pytest.raises(ConfigError) as caught:
        space_of(ENQUEUED).encode(assignment)
    [problem] = caught.value.problems
    assert problem.startswith(f"`enqueue`: {told}")


def test_what_is_to_be_tried_first_may_leave_the_rest_to_the_sampler():
    space = space_of(ENQUEUED)
    params = space.encode({"model.hidden_sizes": [8, 9], "model.activation": "relu"})
    assert params == {
        "model.hidden_sizes.layers": 2,
        "model.hidden_sizes.1": 8,
        "model.hidden_sizes.2": 9,
    }
    values, _ = drawn(space, params=params)
    assert values["model.hidden_sizes"] == [8, 9]
    assert 0.001 <= values["optimizer.lr"] <= 0.1


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{low: 3, high: 1}", "`space.key`: low <= high must hold, but got low=3, high=1"),
        ("{low: 0, high: 1, log: true}", "`space.key`: a log scale needs low > 0, but got low=0"),
        ("{low: 1, high: 2, step: 0}", "`space.key`: a step must be above 0 and without log"),
        ("{low: 1, high: 2, step: 1, log: true}", "`space.key`: a step must be above 0 and wi"),
        ("{low: 1e-4, high: 1}", "`space.key.low`: must be a number, got '1e-4'"),
        ("{low: true, high: 1}", "`space.key.low`: must be a number, got True"),
        ("{low: 1, high: .inf}", "`space.key.high`: must be a number, got inf"),
        ("{low: .nan, high: 1}", "`space.key.low`: must be a number, got nan"),
        ("{low: 1}", "`space.key.high`: is missing"),
        ("{low: 1, high: 2, base: 10}", "`space.key.base`: is unknown; an entry has low, high,"),
        ("{choices: []}", "`space.key.choices`: should not be empty, got []"),
        ("{choices: relu}", "`space.key.choices`: should be a list, got 'relu'"),
        ("{choices: [1, 2, 1]}", "`space.key`: the choices must differ"),
        ("{layers: {low: 1, high: 2}}", "`space.key.width`: is missing"),
        ("{width: {low: 1, high: 2}}", "`space.key.layers`: is missing"),
        ("{layers: 2, width: {low: 1, high: 2}}", "`space.key.layers`: should be a range {low:"),
        ("{layers: {low: 0, high: 2}, width: {low: 1, high: 2}}", "`space.key`: layers must be w"),
        ("{layers: {low: 1, high: 2, step: 0.5}, width: {low: 1, high: 2}}", "`space.key`: layers"),
        ("{layers: {low: 2, high: 1}, width: {low: 1, high: 2}}", "`space.key.layers`: low <= hi"),
        ("{layers: {low: 1, high: 2}, width: {low: 9, high: 2}}", "`space.key.width`: low <= hig"),
        ("{low: 1, high: 2, when: dnn}", "`space.key.when`: should be a mapping, got 'dnn'"),
        ("{low: 1, high: 2, when: {later: 1}}", "`space.key.when`: later must stand before key"),
        ("{low: 1, high: 2, when: {key: 1}}", "`space.key.when`: key must stand before key"),
    ],
)
def test_a_bad_entry_is_told_in_one_line_with_its_key(entry, told):
    [problem] = problems_of(f"key: {entry}\nlater: {{low: 1, high: 2}}")
    assert problem.startswith(told)
    assert "\n" not in problem


def test_every_problem_is_told_at_once():
    told = problems_of("a: {low: 2, high: 1}\nb: {low: x, high: y}\nc: {choices: []}\nd: 3")
    assert [problem.split("`")[1] for problem in told] == [
        "space.a",
        "space.b.low",
        "space.b.high",
        "space.c.choices",
    ]


nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["low", "high", "log", "step", "choices", "layers", "width", "when", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(st.dictionaries(st.text(max_size=5), nonsense, max_size=4))
def test_whatever_is_written_is_read_or_refused(written):
    try:
        make_space(written)
        problems: tuple[str, ...] = ()
    except ConfigError as error:
        problems = error.problems
    assert all(problem.startswith("`space.") for problem in problems)
