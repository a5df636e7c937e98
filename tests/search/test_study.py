"""Studies in Optuna's journal: opened, gone on with, refused."""

import optuna
import pytest
from optuna.trial import TrialState

from src.config.plan import Component
from src.errors import ConfigError
from src.search.settings import SweepSettings
from src.search.space import make_space
from src.search.storage.journal import open_journal
from src.search.study import (
    RETRIED,
    counts_by_state,
    finished_trials,
    latest_name,
    open_study,
    trial_seed,
    try_again,
)

SPACE = make_space({"x": {"low": 0.0, "high": 1.0}, "n": {"choices": [[1], [2, 3]]}})
TPE = Component("sampler", "optuna.samplers.TPESampler", {"n_startup_trials": 3})
RANDOM = Component("sampler", "optuna.samplers.RandomSampler", {})
NONE = Component("pruner", "optuna.pruners.NopPruner", {})


def opened(folder, *, name="s", definition=None, sampler=RANDOM, **settings):
    return open_study(
        open_journal(folder),
        name,
        settings=SweepSettings(**settings),
        space=SPACE,
        definition={"a": 1} if definition is None else definition,
        sampler=sampler,
        pruner=NONE,
    )


def points(study, number):
    """Return the values of so many new trials, each told a value."""
    drawn = []
    for _ in range(number):
        trial = study.ask()
        drawn.append(SPACE.draw(trial, {}))
        study.tell(trial, drawn[-1]["x"])
    return drawn


def test_a_study_is_gone_on_with(tmp_path):
    points(opened(tmp_path), 3)
    study = opened(tmp_path)
    points(study, 2)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]
    assert len(finished_trials(study)) == 5


@pytest.mark.parametrize("sampler", [RANDOM, TPE], ids=["random", "tpe"])
def test_the_sampler_does_not_repeat_its_first_points_after_a_resume(tmp_path, sampler):
    first = points(opened(tmp_path, sampler=sampler), 3)
    second = points(opened(tmp_path, sampler=sampler), 3)
    assert not {p["x"] for p in first} & {p["x"] for p in second}


def test_the_same_seed_gives_the_same_points_in_another_place(tmp_path):
    one, same, other = (
        points(opened(tmp_path / name, seed=seed), 3)
        for name, seed in (("one", 7), ("same", 7), ("other", 8))
    )
    assert one == same
    assert one != other


def test_a_changed_definition_is_refused_with_every_difference(tmp_path):
    first = opened(tmp_path, definition={"a": 1, "b": [1, 2], "c": None, "same": 0.1})
    points(first, 1)
    before = first.trials
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, definition={"a": 2, "b": [1, 2], "d": "new", "same": 0.1})
    *differences, way_out = caught.value.problems
    assert differences == [
        "`a`: was 1 when sweep s began, is 2 now",
        "`c`: was None when sweep s began, is not there now",
        "`d`: was not there when sweep s began, is new now",
    ]
    assert "name=ANOTHER" in way_out
    assert "fresh=true" in way_out
    assert first.trials == before


def test_the_same_definition_is_the_same_after_json(tmp_path):
    definition = {"betas": (0.9, 0.999), "path": tmp_path, 3: None}
    opened(tmp_path, definition=definition)
    opened(tmp_path, definition=definition)


def test_a_fresh_start_keeps_the_old_study(tmp_path):
    storage = open_journal(tmp_path)
    assert latest_name(storage, "s", fresh=False) == "s"
    assert latest_name(storage, "s", fresh=True) == "s"
    points(opened(tmp_path, name="s"), 2)
    assert latest_name(storage, "s", fresh=False) == "s"
    assert latest_name(storage, "s", fresh=True) == "s.2"
    points(opened(tmp_path, name="s.2", definition={"a": 2}), 1)
    assert latest_name(storage, "s", fresh=False) == "s.2"
    assert latest_name(storage, "s", fresh=True) == "s.3"
    assert len(opened(tmp_path, name="s").trials) == 2
    assert len(opened(tmp_path, name="s.2", definition={"a": 2}).trials) == 1


def test_an_interrupted_trial_is_failed_and_its_values_are_tried_again(tmp_path):
    study = opened(tmp_path)
    points(study, 1)
    left = study.ask()
    values = SPACE.draw(left, {})
    unborn = study.ask()  # its driver died before it drew anything
    for trial in (left, unborn):
        try_again(study, study.trials[trial.number], reason="its driver died")
    again = study.ask()
    assert again.user_attrs[RETRIED] == left.number
    assert SPACE.draw(again, {}) == values
    assert study.ask().user_attrs[RETRIED] == unborn.number
    assert counts_by_state(study) == {"COMPLETE": 1, "STOPPED": 2, "RUNNING": 2}
    assert len(finished_trials(study)) == 1


def test_a_driver_killed_before_it_drew_does_not_lose_what_was_in_line(tmp_path):
    study = opened(tmp_path, enqueue=ENQUEUE)
    cut_off = study.ask()  # dead before the first value is drawn
    try_again(study, study.trials[cut_off.number], reason="its driver died")
    drawn = points(opened(tmp_path, enqueue=ENQUEUE), 2)
    assert drawn[0]["x"] == 0.75
    assert drawn[1] == ENQUEUE[0]


def test_a_trial_that_is_stopped_is_tried_again_and_says_why(tmp_path):
    study = opened(tmp_path)
    trial = study.ask()
    values = SPACE.draw(trial, {})
    try_again(study, trial, reason="stopped by SIGINT")
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].user_attrs["end_reason"] == "stopped by SIGINT"
    assert SPACE.draw(study.ask(), {}) == values


ENQUEUE = [{"x": 0.25, "n": [2, 3]}, {"x": 0.75}]


def test_configurations_to_try_first_come_first_and_once(tmp_path):
    first = points(opened(tmp_path, enqueue=ENQUEUE), 1)
    rest = points(opened(tmp_path, enqueue=ENQUEUE), 3)
    drawn = first + rest
    assert drawn[0] == ENQUEUE[0]
    assert drawn[1]["x"] == 0.75
    assert not {drawn[2]["x"], drawn[3]["x"]} & {0.25, 0.75}


def test_configurations_to_try_first_survive_a_first_start_that_was_cut_off(tmp_path, monkeypatch):
    def cut_off(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "set_user_attr", cut_off)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path, enqueue=ENQUEUE)
    drawn = points(opened(tmp_path, enqueue=ENQUEUE), 3)
    assert [values["x"] for values in drawn[:2]] == [0.25, 0.75]
    assert drawn[2]["x"] not in (0.25, 0.75)


def test_the_seed_of_a_trial_follows_from_its_number_and_the_seed_of_the_sweep():
    seeds = {(sweep, number): trial_seed(sweep, number) for sweep in (1, 2) for number in range(99)}
    assert len(set(seeds.values())) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds.values())
    assert trial_seed(1, 0) == seeds[1, 0]
