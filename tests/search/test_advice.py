"""Planted searches: what is true of one is said of 9 in 10, what is not of 1 in 20 at most."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from src.search.advice import (
    at_an_edge,
    indistinct,
    nothing_better,
    overfitted,
    read_search,
    still_improving,
    too_few,
)
from src.search.settings import Objective

BY = Objective()
LOSS = Objective(metric="val_loss")
CASES = 100
SPACE = {
    "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "model.hidden_sizes.1": IntDistribution(16, 1024, log=True),
    "trainer.batch_size": IntDistribution(32, 512, log=True),
    "model.batch_norm": CategoricalDistribution([False, True]),
}


def trial(number, value, *, params=None, space=None, curve=(), **attributes) -> FrozenTrial:
    now = datetime(2026, 1, 1)
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState.COMPLETE if value is not None else TrialState.PRUNED,
        value=value,
        datetime_start=now,
        datetime_complete=now,
        params=params or {},
        distributions=space or {},
        user_attrs=attributes,
        system_attrs={},
        intermediate_values=dict(enumerate(curve, start=1)),
    )


def said(search: Callable[[np.random.Generator], list[str]]) -> int:
    """Return of how many random searches a sentence is said."""
    return sum(bool(search(np.random.default_rng(seed))) for seed in range(CASES))


def assert_told_apart(there, absent) -> None:
    assert said(there) >= 0.9 * CASES
    assert said(absent) <= 0.05 * CASES


def searched(rng, value_of, *, count=30, learns=False):
    """Return trials of places 0..1 on three axes; one that learns draws near the best so far."""
    trials, places, values = [], [], []
    for number in range(count):
        place = rng.random(3)
        if learns and number >= 10 and rng.random() < 0.8:
            best = places[int(np.argmax(values))]
            place = np.clip(best + rng.normal(0, 0.2, 3), 0, 1)
        names = list(SPACE)[:3]
        params = {"model.batch_norm": bool(rng.random() < 0.5)}
        for name, at in zip(names, place, strict=True):
            drawn = SPACE[name].low * (SPACE[name].high / SPACE[name].low) ** at
            params[name] = round(drawn) if isinstance(SPACE[name], IntDistribution) else drawn
        places.append(place)
        values.append(value_of(place) + rng.normal(0, 0.003))
        trials.append(trial(number, values[-1], params=params, space=SPACE))
    return trials


def a_peak(at):
    return lambda place: 0.97 - 0.05 * (place[0] - at) ** 2


@pytest.mark.parametrize("learns", [False, True])
def test_the_best_at_an_edge(learns):
    def there(rng):
        return at_an_edge(searched(rng, a_peak(rng.uniform(1.1, 1.5)), learns=learns), BY)

    def within(rng):
        return at_an_edge(searched(rng, a_peak(rng.uniform(0.25, 0.7)), learns=learns), BY)

    assert_told_apart(there, within)
    assert said(lambda rng: at_an_edge(searched(rng, lambda p: 0.9, learns=learns), BY)) <= 5
    [sentence, *_] = there(np.random.default_rng(0))
    assert "`optimizer.lr` is best at the high end of its range, 0.1: widen `high`" in sentence


def test_the_best_at_an_edge_as_a_real_sampler_finds_it():
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def search(rng, at):
        seed = int(rng.integers(2**31))
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
        for _ in range(30):
            asked = study.ask(SPACE)
            place = np.log(asked.params["optimizer.lr"] / 1e-4) / np.log(1e3)
            study.tell(asked, a_peak(at)([place]) + rng.normal(0, 0.003))
        return at_an_edge(study.trials, BY)

    seeds = [np.random.default_rng(seed) for seed in range(10)]
    assert sum(bool(search(rng, rng.uniform(1.1, 1.5))) for rng in seeds) >= 9
    assert sum(bool(search(rng, rng.uniform(0.25, 0.7))) for rng in seeds) <= 1


def test_an_end_beyond_which_there_is_nothing_is_none():
    space = {"regularization.dropout": FloatDistribution(0.0, 0.6)}
    trials = [
        trial(n, 0.9 - 0.1 * n / 30, params={"regularization.dropout": n / 60}, space=space)
        for n in range(30)
    ]
    assert at_an_edge(trials, BY) == []


@pytest.mark.parametrize(
    ("batch_size", "accuracy", "is_said"),
    [
        (lambda n: 32 + n % 2, lambda n: 0.9 + 0.05 * (n % 2) + n / 1e4, True),  # two places
        (lambda n: 33 if n else 32, lambda n: 0.9 + n / 1e4, False),  # one, of the better ones
        (lambda n: 33, lambda n: 0.9 + n / 1e4, False),
        (lambda n: 32 + n % 2, lambda n: 1.0, False),  # all perfect
    ],
)
def test_ranges_of_few_values_are_judged_without_a_warning(batch_size, accuracy, is_said):
    space = {"trainer.batch_size": IntDistribution(32, 33)}
    trials = [
        trial(n, accuracy(n), params={"trainer.batch_size": batch_size(n)}, space=space)
        for n in range(30)
    ]
    assert bool(at_an_edge(trials, BY)) is is_said


def test_too_few_trials():
    def search(count):
        return lambda rng: too_few(searched(rng, lambda p: rng.random(), count=count))

    assert_told_apart(
        lambda rng: search(rng.integers(5, 40))(rng), lambda rng: search(rng.integers(40, 90))(rng)
    )
    assert "n_trials=40" in search(12)(np.random.default_rng(0))[0]
    assert too_few([]) == []


def curves(rng, *, epochs, until, sign=1):
    """Return trials whose values nears an end; until: epochs to two thirds of the way there."""
    found = []
    for number in range(12):
        end, steps = 0.95 + rng.normal(0, 0.005), np.arange(1, epochs + 1)
        curve = end - 0.15 * np.exp(-steps / until) + rng.normal(0, 0.002, epochs)
        curve = curve if sign == 1 else 1.2 - curve
        found.append(trial(number, float(max(curve * sign) * sign), curve=curve.tolist()))
    return found


@pytest.mark.parametrize("by", [BY, LOSS])
def test_still_improving_in_the_last_epoch(by):
    def there(rng):
        epochs = int(rng.integers(8, 25))
        found = curves(rng, epochs=epochs, until=epochs * rng.uniform(0.4, 2), sign=by.sign)
        return still_improving(found, by)

    def at_rest(rng):
        epochs = int(rng.integers(8, 25))
        found = curves(rng, epochs=epochs, until=epochs * rng.uniform(0.02, 0.12), sign=by.sign)
        return still_improving(found, by)

    assert_told_apart(there, at_rest)
    rng = np.random.default_rng(0)
    assert "trainer.max_epochs=40" in still_improving(curves(rng, epochs=20, until=20), BY)[0]


def test_training_far_above_validation():
    def search(rng, train, validation):
        trials = [
            trial(n, v, val_accuracy=v, train_accuracy=min(1.0, train + rng.normal(0, 0.002)))
            for n, v in enumerate(validation + rng.normal(0, 0.003, 9))
        ]
        return overfitted(trials, BY)

    assert_told_apart(
        lambda rng: search(rng, rng.uniform(0.99, 1), rng.uniform(0.9, 0.97)),
        lambda rng: search(rng, rng.uniform(0.95, 0.98), rng.uniform(0.955, 0.98)),
    )
    assert overfitted([trial(0, 0.9, val_accuracy=0.9)], BY) == []


def test_nothing_better_since_long():
    def settled(rng):
        at = int(rng.integers(0, 10))
        values = 0.96 + rng.normal(0, 0.004, 45)
        values[at] = values.max() + 0.001
        return nothing_better([trial(n, v) for n, v in enumerate(values)], BY)

    def learning(rng):
        count = int(rng.integers(20, 60))
        values = 0.9 + 0.06 * np.arange(count) / count + rng.normal(0, 0.01, count)
        return nothing_better([trial(n, v) for n, v in enumerate(values)], BY)

    assert_told_apart(settled, learning)


def test_the_best_cannot_be_told_apart():
    def search(rng, gap):
        sizes = rng.permutation([5_000, 50_000, 500_000])
        trials = [trial(n, 0.97, parameters=float(s), seconds=9.0) for n, s in enumerate(sizes)]
        fresh = {n: (0.97 - gap * n + rng.normal(0, 0.001, 3)).tolist() for n in range(3)}
        return indistinct(trials, BY, fresh), int(np.argmin(sizes))

    assert_told_apart(lambda rng: search(rng, 0)[0], lambda rng: search(rng, 0.008)[0])
    named = [search(np.random.default_rng(seed), 0) for seed in range(CASES)]
    right = [f"them, trial {least} " in s for some, least in named for s in some if "best 3" in s]
    assert all(right)
    assert len(right) > 50
    given_up = {0: [0.97, 0.96, 0.965], 1: [0.96, 0.95]}
    assert indistinct([trial(n, 0.97, parameters=1.0 - n) for n in range(2)], BY, given_up) == []
    alike = [trial(n, 0.97, parameters=100.0, seconds=9.0 - n) for n in range(2)]
    [sentence] = indistinct(alike, BY, {0: [0.97, 0.96], 1: [0.97, 0.96]})
    assert "the fastest of them, trial 1 (8 seconds)" in sentence


def test_a_search_that_has_what_it_wanted_was_not_too_short():
    rng = np.random.default_rng(0)
    trials = searched(rng, a_peak(0.5), count=12)
    assert any("are few" in s for s in read_search(trials, BY, reached=False, fresh={}))
    assert not read_search(trials, BY, reached=True, fresh={})
