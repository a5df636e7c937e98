"""Studies in a real PostgreSQL: one creation, one driver, nothing twice, whatever breaks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from src.config.plan import Component
from src.errors import ConfigError, StudiesAway, StudiesUnusable, TrainingFailed
from src.search.storage import retrying
from src.search.storage.base import Taken
from src.search.storage.postgres import DatabaseStudies
from src.search.storage.retrying import MADE_TWICE, Patient
from tests.cluster.postgres import PASSWORD
from tests.search.test_study import NONE, RANDOM, SPACE, SweepSettings, open_study, points

pytestmark = pytest.mark.cluster


def opened(address, *, check_stop=lambda: None):
    return DatabaseStudies(address, check_stop=check_stop)


def study_in(storage, name="s", *, pruner=NONE):
    return open_study(
        storage,
        name,
        settings=SweepSettings(),
        space=SPACE,
        definition={"a": 1},
        sampler=RANDOM,
        pruner=pruner,
        end_run=lambda run_id, status, reason: None,
    )


@pytest.fixture(scope="module")
def address(postgres):
    return postgres.create("tests")


def test_many_first_starts_at_once_make_one_sound_database(postgres):
    address = postgres.create("new")
    with ThreadPoolExecutor(4) as pool:
        studies = list(pool.map(lambda _: opened(address), range(4)))
    with studies[0].hold("a") as storage:
        points(study_in(storage, "a"), 2)
    assert [s.names() for s in studies] == [["a"]] * 4


def test_a_sweep_has_one_driver_and_others_are_free(address):
    studies = opened(address)
    with ExitStack() as stack:
        stack.enter_context(studies.hold("one"))
        for same in ("one", "one.2"):  # a fresh start
            with pytest.raises(Taken), opened(address).hold(same):
                pass
        stack.enter_context(opened(address).hold("other"))
    with studies.hold("one"):
        pass


def test_a_restart_in_between_is_waited_for_and_costs_nothing(postgres, address, capfd):
    with opened(address).hold("restarted") as storage:
        study = study_in(storage, "restarted")
        points(study, 1)
        trial = study.ask()
        postgres.stop()
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(postgres.start)
            drawn = SPACE.draw(trial, {})
            trial.report(0.5, 1)
            study.tell(trial, 0.5)
            again.result()
        points(study, 1)
        with pytest.raises(Taken), opened(address).hold("restarted"):
            pass  # the lock is there again too
        [_, told, _] = study.get_trials()
        assert (told.values, told.intermediate_values) == ([0.5], {1: 0.5})
        assert set(told.params) >= {"x"}
        assert drawn["x"] == told.params["x"]
    first, *_, last = capfd.readouterr().err.splitlines()
    assert "is away" in first
    assert last.startswith("Optuna's storage is back after")


class Forgetful:
    """A storage that does what it is asked, and loses the answer the next time."""

    def __init__(self, storage):
        self.storage, self.forget = storage, False

    def __getattr__(self, name):
        def call(*args, **kwargs):
            done = getattr(self.storage, name)(*args, **kwargs)
            if self.forget and name.startswith(("set_", "create_")):
                self.forget = False
                raise StorageInternalError from OperationalError("", {}, Exception("lost"))
            return done

        return call


def test_a_lost_answer_makes_nothing_twice(address):
    with opened(address).hold("lost") as storage:
        forgetful = Forgetful(storage._storage)
        study = study_in(Patient(forgetful, where="there", check_stop=lambda: None), "lost")
        forgetful.forget = True
        study.enqueue_trial({"x": 0.25})
        forgetful.forget = True
        trial = study.ask()
        assert trial.suggest_float("x", 0.0, 1.0) == 0.25
        forgetful.forget = True
        trial.report(0.5, 1)
        forgetful.forget = True
        study.tell(trial, 0.5)
        made = [(t.state, t.user_attrs.get("end_reason")) for t in study.get_trials()]
    states = [state for state, _ in made]
    assert states.count(TrialState.COMPLETE) == 1
    assert made.count((TrialState.FAIL, MADE_TWICE)) == len(made) - 1
    assert len(made) == 2


def test_a_driver_that_was_replaced_while_away_ends(postgres, address, monkeypatch):
    monkeypatch.setattr(retrying, "PATIENCE_S", 0.5)
    with opened(address).hold("taken") as storage:
        study = study_in(storage, "taken")
        trial, other_trial = study.ask(), study.ask()
        with postgres.connect("postgres") as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tests'"
            )
        with opened(address).hold("taken") as theirs:
            study_in(theirs, "taken")  # which ends what was left running
            with pytest.raises(StudiesAway, match="another session works on this sweep"):
                study.tell(trial, 0.5)
        with pytest.raises(TrainingFailed, match="another process has ended a trial"):
            other_trial.set_user_attr("epochs", 3)  # as a driver first does


def test_patience_ends_and_then_nothing_waits(postgres, address, monkeypatch):
    monkeypatch.setattr(retrying, "PATIENCE_S", 1.0)
    with opened(address).hold("patient") as storage:
        study = study_in(storage, "patient")
        postgres.stop()
        try:
            with pytest.raises(StudiesAway, match="has not come back within"):
                study.ask()
            monkeypatch.setattr(retrying, "PATIENCE_S", 1000.0)
            with pytest.raises(StudiesAway):
                study.ask()
        finally:
            postgres.start()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("postgresql+psycopg", "postgresql+nothing"), "must be a PostgreSQL database"),
        (("/tests", "/missing"), 'database "missing" does not exist'),
        (("/tests", ""), "names no database"),
        (("digits@", "stranger:geheim@"), 'authentication failed for user "stranger"'),
        (("/tests", "/tests?password=geheim"), "`password` may not stand in it"),
        (("127.0.0.1:", "127.0.0.1:geheim"), "is no address"),
    ],
)
def test_what_is_wrong_is_one_line_without_the_password(address, monkeypatch, change, said):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # which the third changes
    with pytest.raises((ConfigError, StudiesUnusable)) as told:
        opened(address.replace(*change))
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "geheim@" not in str(told.value)
    assert "=geheim" not in str(told.value)


def test_a_trial_behind_the_others_is_pruned_and_kept_so(address):
    median = Component("pruner", "optuna.pruners.MedianPruner", {"n_startup_trials": 1})
    with opened(address).hold("pruned") as storage:
        study = study_in(storage, "pruned", pruner=median)
        good, bad = study.ask(), study.ask()
        for trial, value in ((good, 0.9), (bad, 0.1)):
            trial.report(value, 1)
            if trial is good:
                study.tell(trial, value)
        assert bad.should_prune()
        study.tell(bad, state=TrialState.PRUNED)
    with opened(address).hold("pruned") as storage:
        first, second = study_in(storage, "pruned", pruner=median).get_trials()
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert second.intermediate_values == {1: 0.1}


def test_optuna_itself_finds_the_study(address):
    with opened(address).hold("plain") as storage:
        points(study_in(storage, "plain"), 3)
    assert len(optuna.load_study(study_name="plain", storage=address).trials) == 3
