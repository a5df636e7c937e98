"""Studies in a real PostgreSQL: one creation, one driver, nothing twice, whatever breaks."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import optuna
import pytest
from optuna.trial import TrialState

from src.config.plan import Component
from src.errors import ConfigError, StudyStorageUnavailable, SweepLockedError
from src.search.storage.postgres import DatabaseStudies
from src.search.study import try_again
from tests.cluster.postgres import PASSWORD
from tests.search.test_study import NONE, RANDOM, SPACE, SweepSettings, open_study, points
from tests.sweeping import FAST, sweep

pytestmark = pytest.mark.cluster


def study_in(storage, name="s", *, pruner=NONE):
    return open_study(
        storage,
        name,
        settings=SweepSettings(),
        space=SPACE,
        definition={"a": 1},
        sampler=RANDOM,
        pruner=pruner,
    )


@pytest.fixture(scope="module")
def address(postgres):
    return postgres.create("tests")


def test_many_first_starts_at_once_make_one_sound_database(postgres):
    address = postgres.create("new")
    with ThreadPoolExecutor(4) as pool:
        studies = list(pool.map(lambda _: DatabaseStudies(address), range(4)))
    with studies[0].lock("a") as storage:
        points(study_in(storage, "a"), 2)
    for found in studies:
        with found.lock("b") as storage:
            assert optuna.get_all_study_names(storage) == ["a"]


def test_a_sweep_has_one_driver_and_others_are_free(address):
    studies = DatabaseStudies(address)
    with ExitStack() as stack:
        stack.enter_context(studies.lock("one"))
        with pytest.raises(SweepLockedError), DatabaseStudies(address).lock("one"):
            pass
        stack.enter_context(DatabaseStudies(address).lock("other"))
    with studies.lock("one"):
        pass


def test_a_restart_ends_the_session_and_the_next_one_goes_on(postgres, address):
    with DatabaseStudies(address).lock("restarted") as storage:
        study = study_in(storage, "restarted")
        points(study, 2)
        trial = study.ask()
        drawn = SPACE.draw(trial, {})
        postgres.stop()
        postgres.start()
        for _ in range(2):  # what is lost stays lost
            with pytest.raises(StudyStorageUnavailable) as told:
                study.tell(trial, 0.5)
    [line] = str(told.value).splitlines()
    assert "is unreachable (" in line
    assert PASSWORD not in line
    with DatabaseStudies(address).lock("restarted") as storage:
        study = study_in(storage, "restarted")
        [cut] = study.get_trials(states=[TrialState.RUNNING])
        try_again(study, cut, reason="its driver died")  # as a session's start does
        *finished, cut, again = study.get_trials()
    assert [t.state for t in finished] == [TrialState.COMPLETE] * 2
    assert (cut.state, again.state) == (TrialState.FAIL, TrialState.WAITING)
    assert again.system_attrs["fixed_params"]["x"] == drawn["x"]


def test_a_driver_that_has_lost_its_lock_writes_no_more(postgres, address):
    with DatabaseStudies(address).lock("cut") as storage:
        study = study_in(storage, "cut")
        trial = study.ask()
        with postgres.connect("postgres") as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tests'"
            )
        with DatabaseStudies(address).lock("cut") as theirs:
            study_in(theirs, "cut")
        for _ in range(2):  # though the lock is free again
            with pytest.raises(StudyStorageUnavailable):
                study.tell(trial, 0.5)
    states = [t.state for t in optuna.load_study(study_name="cut", storage=address).trials]
    assert states == [TrialState.RUNNING]  # the next start of the sweep tries it again


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
    with pytest.raises(ConfigError) as told:
        DatabaseStudies(address.replace(*change))
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert "geheim@" not in str(told.value)
    assert "=geheim" not in str(told.value)


def test_a_trial_behind_the_others_is_pruned_and_kept_so(address):
    median = Component("pruner", "optuna.pruners.MedianPruner", {"n_startup_trials": 1})
    with DatabaseStudies(address).lock("pruned") as storage:
        study = study_in(storage, "pruned", pruner=median)
        good, bad = study.ask(), study.ask()
        for trial, value in ((good, 0.9), (bad, 0.1)):
            trial.report(value, 1)
            if trial is good:
                study.tell(trial, value)
        assert bad.should_prune()
        study.tell(bad, state=TrialState.PRUNED)
    with DatabaseStudies(address).lock("pruned") as storage:
        first, second = study_in(storage, "pruned", pruner=median).get_trials()
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert second.intermediate_values == {1: 0.1}


def test_optuna_itself_finds_the_study(address):
    with DatabaseStudies(address).lock("plain") as storage:
        points(study_in(storage, "plain"), 3)
    assert len(optuna.load_study(study_name="plain", storage=address).trials) == 3


@pytest.mark.parametrize(
    "place", ["127.0.0.1:1/tests", "{host}/missing", "wrong:geheim@{host}/tests"]
)
def test_a_database_that_cannot_be_used_is_one_line_before_anything_is_started(
    address, tmp_path, place
):
    host = address.split("@")[1].split("/")[0]
    user = "" if "@" in place else "digits@"
    storage = f"storage=postgresql+psycopg://{user}{place.format(host=host)}"
    done = sweep(*FAST, "optimizer.lr=interval(1e-4,1e-1)", storage, cwd=tmp_path)
    [line] = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith("error: `storage`=postgresql+psycopg://")
    assert "geheim" not in line
    assert not list(tmp_path.iterdir())
