"""Hydra's sweep grammar on the command line, read as entries of a search space."""

import pytest

from src.errors import ConfigError
from src.search.grammar import split_ranges
from src.search.space import make_space


@pytest.mark.parametrize(
    ("argument", "entry"),
    [
        ("x=interval(0, 1)", {"low": 0.0, "high": 1.0}),
        ("x=interval(1e-4, 1e-1)", {"low": 1e-4, "high": 1e-1}),
        ("x=int(interval(1, 5))", {"low": 1, "high": 5}),
        ("x=tag(log, interval(1e-4, 1e-1))", {"low": 1e-4, "high": 1e-1, "log": True}),
        ("x=tag(log, int(interval(1, 100)))", {"low": 1, "high": 100, "log": True}),
        ("x=int(tag(log, interval(1, 100)))", {"low": 1, "high": 100, "log": True}),
        ("x=range(5)", {"low": 0, "high": 4, "step": 1}),
        ("x=range(1, 10, 2)", {"low": 1, "high": 9, "step": 2}),
        ("x=range(1, 9, 2)", {"low": 1, "high": 7, "step": 2}),
        ("x=range(10, 1, -3)", {"low": 4, "high": 10, "step": 3}),
        ("x=range(0, 1, 0.25)", {"low": 0, "high": 0.75, "step": 0.25}),
        ("x=choice(a, b)", {"choices": ["a", "b"]}),
        ("x=a,b", {"choices": ["a", "b"]}),
        ("x='a b',c", {"choices": ["a b", "c"]}),
        ("x=choice(true, 1.5, 3)", {"choices": [True, 1.5, 3]}),
        ("x=int(choice(1.5, 3.0))", {"choices": [1, 3]}),
        ("x=choice([16], [32, 16])", {"choices": [[16], [32, 16]]}),
        ("x=choice(['a'], [b])", {"choices": [["a"], ["b"]]}),
    ],
)
def test_a_range_is_the_entry_that_a_yaml_would_have(argument, entry):
    others, ranges = split_ranges([argument])
    assert others == []
    assert ranges == {"x": entry}
    assert [type(v) for v in ranges["x"].values()] == [type(v) for v in entry.values()]
    make_space(ranges)


def test_every_value_of_a_range_is_one_that_hydra_would_run():
    for argument in ("x=range(1,10,2)", "x=range(0,7,3)", "x=range(9,0,-4)", "x=range(2)"):
        numbers = argument[len("x=range(") : -1].split(",")
        _, ranges = split_ranges([argument])
        entry = make_space(ranges).entries["x"]
        held = {number for number in range(-20, 20) if entry.contains(number)}
        assert held == set(range(*map(int, numbers))), argument


def test_everything_else_passes_through_untouched_and_in_order():
    arguments = [
        "sweep=dnn",
        "model.hidden_sizes=[16,8]",
        "x={a: 1, b: [2]}",
        "~scheduler",
        "+a=1",
        "--cfg",
        "job",
        "-m",
        "name='a,b'",
        "x=",
        "=3",
        "x=interval(1",
        "nonsense",
        "data.path=/a b/c.csv",
    ]
    others, ranges = split_ranges([*arguments[:3], "y=interval(0,1)", *arguments[3:]])
    assert others == arguments
    assert ranges == {"y": {"low": 0.0, "high": 1.0}}


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("x=tag(loge, interval(1, 2))", "unknown tag loge; there is only log"),
        ("x=tag(log, linear, interval(1, 2))", "unknown tag linear; there is only log"),
        ("x=tag(log, choice(1, 2))", "only interval(...) can have a log scale"),
        ("x=tag(log, range(1, 9))", "only interval(...) can have a log scale"),
        ("x=glob(*)", "write the choices out, as in choice(a, b)"),
        ("x=range(3, 3)", "there is nothing in this range"),
        ("x=range(3, 1)", "there is nothing in this range"),
        ("x=range(1, 3, 0)", "there is nothing in this range"),
    ],
)
def test_what_a_space_does_not_have_is_refused_in_one_line(argument, told):
    with pytest.raises(ConfigError) as caught:
        split_ranges(["sweep=dnn", argument])
    assert caught.value.problems == (f"`{argument}`: {told}",)
