"""Which trials successive halving lets go on."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from src.search.halving import SuccessiveHalving


def decisions(pruner, values, *, direction, seed):
    """Return after which epoch each trial was ended, three at a time, each reporting in turn."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    rng = np.random.default_rng(seed)
    waiting, running, ended = list(values), {}, {}
    while waiting or running:
        while waiting and len(running) < 3:
            running[study.ask()] = iter(waiting.pop(0))
        trial = list(running)[rng.integers(len(running))]
        epoch = (ended.get(trial.number) or 0) + 1
        value = next(running[trial], None)
        if value is None:
            study.tell(trial, 0.5)
            del running[trial]
            continue
        ended[trial.number] = epoch
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            del running[trial]
    return ended


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("first", "factor"), [(2, 3), (1, 2), (3, 4)])
def test_where_nothing_is_interrupted_it_decides_as_optunas(direction, first, factor):
    for seed in range(5):
        curves = np.random.default_rng(seed).random((30, 20)).round(1)  # with equal values
        own = SuccessiveHalving(first_epoch=first, factor=factor)
        theirs = optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
        found, expected = (
            decisions(pruner, curves, direction=direction, seed=seed) for pruner in (own, theirs)
        )
        assert found == expected
        assert len(set(found.values())) > 2


def study_with(*others):
    """Return a study with trials that reported one value after epoch 2, and how they ended."""
    study = optuna.create_study(direction="maximize", pruner=SuccessiveHalving())
    for value, state, beyond in others:
        trial = study.ask()
        trial.report(value, 2)
        trial.set_constraint("parameters", beyond)
        study.tell(trial, value if state == TrialState.COMPLETE else None, state)
    return study


@pytest.mark.parametrize(
    ("other", "is_pruned"),
    [
        ((0.93, TrialState.COMPLETE, -1), True),
        ((0.93, TrialState.PRUNED, -1), True),
        ((0.93, TrialState.FAIL, -1), False),  # interrupted: these values are tried again
        ((0.93, TrialState.COMPLETE, 1), False),  # it cannot win
    ],
)
def test_who_is_no_rival_keeps_nobody_from_going_on(other, is_pruned):
    trial = study_with(other).ask()
    trial.report(0.92, 2)
    assert trial.should_prune() is is_pruned


def test_it_looks_only_after_its_epochs():
    study = optuna.create_study(direction="maximize", pruner=SuccessiveHalving())
    best, worst = study.ask(), study.ask()
    looked = []
    for epoch in range(1, 60):
        best.report(0.9, epoch)
        worst.report(0.1, epoch)
        assert not best.should_prune()
        looked += [epoch] if worst.should_prune() else []
    assert looked == [2, 6, 18, 54]
