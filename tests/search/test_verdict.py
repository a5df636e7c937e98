"""When a target counts as reached."""

from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.search.settings import Objective
from src.search.verdict import harder, judge
from src.stats.differences import clearly_behind
from src.stats.intervals import t_interval

MORE = Objective()
LESS = Objective(metric="val_loss")


@pytest.mark.parametrize(
    ("best", "confirmations", "target", "by", "answer"),
    [
        (0.97, [0.96, 0.961, 0.962], 0.95, MORE, "reached"),
        (0.97, [0.93, 0.931, 0.932], 0.95, MORE, "not reached"),
        (0.97, [0.94, 0.95, 0.96], 0.95, MORE, "undecided"),
        (0.10, [0.11, 0.111, 0.112], 0.2, LESS, "reached"),
        (0.10, [0.31, 0.311, 0.312], 0.2, LESS, "not reached"),
        (0.10, [0.1, 0.2, 0.3], 0.2, LESS, "undecided"),
        # the target itself belongs to the good side
        (0.95, [0.95, 0.95, 0.95], 0.95, MORE, "reached"),
        (0.2, [0.2, 0.2], 0.2, LESS, "reached"),
        (0.95, [0.949, 0.949, 0.949], 0.95, MORE, "not reached"),
        # no trial came to it, whatever the fresh seeds say
        (0.949, [0.96, 0.961, 0.962], 0.95, MORE, "not reached"),
        (0.21, [0.1, 0.11, 0.12], 0.2, LESS, "not reached"),
        (None, [], 0.95, MORE, "not reached"),
        # too few to judge by
        (0.97, [0.99], 0.95, MORE, "undecided"),
        (0.97, [], 0.95, MORE, "undecided"),
        (0.90, [0.99], 0.95, MORE, "not reached"),
        (0.97, [0.96, 0.961], None, MORE, "no target"),
        (0.97, [], None, MORE, "no target"),
        (None, [], None, LESS, "no target"),
    ],
)
def test_the_answer(best, confirmations, target, by, answer):
    assert judge(best, confirmations, target=target, by=by).answer == answer


def test_the_numbers_are_those_of_the_fresh_seeds_alone():
    values = [0.94, 0.95, 0.97]
    verdict = judge(0.99, values, target=0.9, by=MORE)
    assert verdict.mean == mean(values)
    assert verdict.spread == stdev(values)
    assert (verdict.low, verdict.high) == t_interval(values)
    assert verdict.describe(0.9) == (
        "target 0.9 reached: mean 0.9533, spread 0.0153, 95 % interval 0.9154 to 0.9913 over "
        "fresh seeds"
    )


def test_one_fresh_seed_has_a_mean_but_no_interval():
    verdict = judge(0.97, [0.96], target=0.95, by=MORE)
    assert (verdict.mean, verdict.spread, verdict.low, verdict.high) == (0.96, None, None, None)
    assert verdict.describe(0.95) == "target 0.95 undecided: mean 0.9600 over fresh seeds"


def test_without_fresh_seeds_there_are_no_numbers():
    verdict = judge(0.97, [], target=None, by=MORE)
    assert verdict.mean is None
    assert verdict.describe(None) == "no target was set"


values = st.lists(st.floats(0, 1), min_size=2, max_size=5)


@given(values, st.floats(0, 1))
def test_less_is_judged_as_the_mirror_of_more(confirmations, target):
    up = judge(max(confirmations), confirmations, target=target, by=MORE)
    down = judge(-max(confirmations), [-value for value in confirmations], target=-target, by=LESS)
    assert up.answer == down.answer


@pytest.mark.parametrize(
    ("target", "best", "by", "next_one"),
    [
        (0.95, 0.96, MORE, 0.975),
        (0.95, 0.9758, MORE, 0.9875),
        (0.95, 0.94, MORE, None),  # not reached
        (0.95, 1.0, MORE, None),  # nothing is better
        (0.2, 0.15, LESS, 0.1),
        (0.2, 0.04, LESS, 0.025),
        (None, 0.96, MORE, None),
    ],
)
def test_a_harder_target_is_one_that_is_not_reached_yet(target, best, by, next_one):
    assert harder(target, best, by=by) == next_one


@pytest.mark.parametrize(
    ("values", "behind"),
    [
        ([[0.97, 0.971], [0.95, 0.951]], [False, True]),
        ([[0.97, 0.96], [0.965, 0.955]], [False, False]),
        ([[0.97, 0.971], [0.95]], [False, False]),  # one degree of freedom
        ([[0.97, 0.971, 0.972], [0.95], []], [False, True, False]),
        ([[], []], [False, False]),
        ([[0.9, 0.9], [0.9, 0.9]], [False, False]),
    ],
)
def test_who_is_clearly_behind(values, behind):
    assert clearly_behind(values) == behind


def test_equal_candidates_are_rarely_called_behind():
    draw = np.random.default_rng(0)
    called = [
        any(clearly_behind(draw.normal(0.97, 0.002, size=(3, 2)).tolist())) for _ in range(400)
    ]
    assert sum(called) / 400 < 0.1
