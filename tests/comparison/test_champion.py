"""A run becomes champion only by beating the present one; every decision leaves its traces."""

import shlex
import shutil
from pathlib import Path

import mlflow.pytorch
import numpy as np
import pytest
import torch

from src.comparison.champion import promote
from src.comparison.settings import make_request
from src.config.settings import Tracking
from src.errors import ConfigError, DataError, RunGone
from src.tracking.registry import find_champion, rollback
from src.tracking.store import open_store
from tests.comparison.conftest import Contest, train_into
from tests.conftest import python
from tests.data.tables import as_text, digit_rows, write
from tests.plans import plan_of, stored_runs

pytestmark = pytest.mark.long


def request(contest, run, **values):
    asked = {
        "compare": {},
        "tracking": contest.tracking.model_dump(),
        "promote": contest.ids[run],
        **values,
    }
    return make_request(asked)


def challenge(contest, run, **values):
    asked = request(contest, run, **values)
    return promote(
        stored_runs(contest.tracking), asked, named=contest.ids[run], say=lambda text: None
    )


def champion(contest):
    found = find_champion(open_store(contest.tracking))
    return None if found is None else found.run_id


def tags(contest, run):
    return contest.store.client.get_run(contest.ids[run]).data.tags


def test_the_story_of_a_champion(own_contest):
    client, ids = own_contest.store.client, own_contest.ids
    assert champion(own_contest) is None
    with pytest.raises(ConfigError, match="there is no champion yet"):
        rollback(open_store(own_contest.tracking), reason=None)

    first = challenge(own_contest, "linear")
    assert first.promoted
    assert "there was no champion" in first.words
    assert champion(own_contest) == ids["linear"]
    with pytest.raises(ConfigError, match="is the champion already"):
        challenge(own_contest, "linear")
    with pytest.raises(ConfigError, match="is the first champion"):
        rollback(open_store(own_contest.tracking), reason=None)

    won = challenge(own_contest, "dnn 1")
    assert won.promoted
    assert champion(own_contest) == ids["dnn 1"]
    version = client.get_model_version_by_alias("digits", "champion")
    pair = won.outcome.comparison.pairs[0]
    for kept in (version.tags, tags(own_contest, "dnn 1")):
        assert kept["promotion.decision"] == "promoted"
        assert kept["promotion.challenger"] == ids["dnn 1"]
        assert kept["promotion.champion"] == ids["linear"]
        assert kept["promotion.interval"] == f"{pair.low:.6f} to {pair.high:.6f}"
        assert float(kept["promotion.p_value"]) == pytest.approx(pair.p_value, rel=1e-4)

    refused = challenge(own_contest, "dnn 2")
    assert not refused.promoted
    assert "does not beat the champion" in refused.words
    line = f"promote={ids['dnn 2']}"
    done = python("-m", "src.compare", line, cwd=own_contest.folder)
    assert done.returncode == 1
    assert "error: not promoted; promote it all the same with force=true" in done.stderr
    assert champion(own_contest) == ids["dnn 1"]
    assert tags(own_contest, "dnn 2")["promotion.decision"] == "refused"
    report = (refused.outcome.folder / "report.html").read_text()
    assert "does not beat the champion" in report

    forced = challenge(own_contest, "dnn 2", force=True, reason="half the size")
    assert forced.promoted
    assert champion(own_contest) == ids["dnn 2"]
    assert "half the size" in tags(own_contest, "dnn 2")["promotion.because"]

    better = challenge(own_contest, "dnn 1")  # but not surely so
    assert better.outcome.comparison.pairs[0].difference > 0
    assert not better.promoted

    before, now = rollback(open_store(own_contest.tracking), reason="it was no better")
    assert now.run_id == champion(own_contest) == ids["dnn 1"]
    left = client.get_model_version("digits", before.version)
    assert left.tags["champion.rolled_back"] == "it was no better"
    assert rollback(open_store(own_contest.tracking), reason=None)[1].run_id == ids["linear"]

    challenge(own_contest, "dnn 1")  # again: the way back leads to linear, not in a circle
    assert rollback(open_store(own_contest.tracking), reason=None)[1].run_id == ids["linear"]


def told_command(line: str) -> list[str]:
    """Return the arguments of the command that a line tells to run."""
    return shlex.split(line.split("python -m src.compare ")[1])


@pytest.mark.parametrize("for_good", [False, True], ids=["deleted", "gc"])
def test_a_champion_whose_run_is_gone_is_told_with_a_command_that_works(
    contest, tmp_path, for_good
):
    shutil.copytree(contest.folder, tmp_path, dirs_exist_ok=True)  # also files are deleted
    tracking, ids = Tracking(folder=tmp_path / "mlruns"), contest.ids
    contest = Contest(tracking, ids, tmp_path)
    challenge(contest, "linear")
    challenge(contest, "dnn 1")
    contest.store.delete(ids["dnn 1"], for_good=for_good)

    refused = python("-m", "src.compare", f"promote={ids['dnn 2']}", cwd=tmp_path)
    answers = python("-m", "src.predict", "mlruns/mlflow.db", cwd=tmp_path)
    for done in (refused, answers):
        [line] = done.stderr.splitlines()
        assert done.returncode == 2
        assert f"run {ids['dnn 1']} of champion version 2 was deleted" in line
    done = python("-m", "src.compare", *told_command(refused.stderr), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert champion(contest) == ids["dnn 2"]

    with pytest.raises(RunGone, match="of champion version 2 was deleted") as gone:
        rollback(open_store(tracking), reason=None)
    assert champion(contest) == ids["dnn 2"]
    command = told_command(str(gone.value))
    done = python("-m", "src.compare", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert command[0] == f"promote={champion(contest)}"
    contest.store.client.delete_model_version("digits", "3")
    with pytest.raises(RunGone, match="version 3, the champion before, was deleted"):
        rollback(open_store(tracking), reason=None)


def test_the_registered_champion_is_the_runs_model(own_contest, monkeypatch):
    challenge(own_contest, "linear")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_contest.store.client.tracking_uri)
    model = mlflow.pytorch.load_model("models:/digits@champion")
    images = plan_of("data=digits").data.build().load_test()
    stored = own_contest.store.artifacts(own_contest.ids["linear"]) / "predictions" / "test.npz"
    found = model(torch.from_numpy(images.pixels).float() / 255).detach().numpy()
    np.testing.assert_allclose(found, np.load(stored)["probabilities"], atol=1e-5)


def test_a_challenger_that_never_looked_looks_once_and_the_look_is_counted(own_contest):
    challenge(own_contest, "linear")
    before = _looks(own_contest)
    assert "test.looks" not in tags(own_contest, "unseen")
    decided = challenge(own_contest, "unseen").outcome
    said = (decided.folder / "report.md").read_text()
    assert "Warning: 1 challenge for the champion went by test results" in said
    assert tags(own_contest, "unseen")["test.looks"] == "1"
    assert _looks(own_contest).looks == before.looks + 1
    assert _looks(own_contest).challenges == before.challenges + 1
    challenge(own_contest, "unseen", force=True, reason="to see it exported")
    assert tags(own_contest, "unseen")["test.looks"] == "1"


def test_a_look_that_was_cut_off_is_counted_and_taken_again(own_contest, monkeypatch):
    """The count comes first: a process killed while it looks has looked."""
    challenge(own_contest, "linear")

    def killed(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("src.training.evaluation.write_predictions", killed)
        with pytest.raises(KeyboardInterrupt):
            challenge(own_contest, "trial 1")
    assert _looks(own_contest).looks == 6
    assert not challenge(own_contest, "trial 1").promoted
    assert _looks(own_contest).looks == 7


def test_a_trial_has_no_exported_model_until_it_is_promoted(own_contest):
    trial = own_contest.ids["trial 0"]
    stored = stored_runs(own_contest.tracking)
    assert stored.get(trial).model_id is None
    assert challenge(own_contest, "trial 0").promoted
    assert stored.get(trial).model_id is not None


def test_other_test_images_are_refused_before_any_look(own_contest):
    challenge(own_contest, "linear")
    more = train_into(own_contest.tracking, "data.test_size=0.3", evaluate_on_test_set=False)
    own_contest.ids["more"] = more
    with pytest.raises(ConfigError, match="are not those of the champion"):
        challenge(own_contest, "more")
    assert "test.looks" not in tags(own_contest, "more")
    assert champion(own_contest) == own_contest.ids["linear"]


def test_a_run_on_another_split_meets_the_champion_on_the_same_test_images(own_contest):
    challenge(own_contest, "linear")
    pair = challenge(own_contest, "other split").outcome.comparison.pairs[0]
    assert pair.method == "McNemar"


@pytest.mark.parametrize("below", [None, "a sweep"])
def test_without_its_data_a_run_becomes_champion_if_forced_and_not_otherwise(
    own_contest, tmp_path, below
):
    """Also a trial, whose model is exported only then."""
    challenge(own_contest, "linear")
    table = write(tmp_path / "digits.csv", as_text(digit_rows(600)))
    data = ("data=csv", f"data.path={table}", "trainer.max_epochs=1")
    how = {"evaluate_on_test_set": False, "parent": below and own_contest.ids["hunt"]}
    own_contest.ids["own"] = train_into(own_contest.tracking, *data, **how)
    Path(table).unlink()
    with pytest.raises(DataError, match="no such file"):
        challenge(own_contest, "own")
    assert champion(own_contest) == own_contest.ids["linear"]
    forced = challenge(own_contest, "own", force=True, reason="the disk is lost")
    assert forced.promoted
    assert "forced, without a comparison (data.path=" in forced.words
    assert forced.words.endswith("): the disk is lost")
    assert champion(own_contest) == own_contest.ids["own"]


def test_the_looks_of_a_deleted_run_still_count(own_contest):
    before = _looks(own_contest)
    own_contest.store.client.delete_run(own_contest.ids["dnn 2"])
    assert _looks(own_contest) == before
    assert before.looks == before.runs == 5
    assert before.challenges == 0


def _looks(contest):
    stored = stored_runs(contest.tracking)
    return stored.looks(stored.get(contest.ids["linear"]).tags["digest.test"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"force": True}, "needs a reason"),
        ({"promote": None, "reason": "so"}, "belongs to promote"),
        ({"rollback": True}, "`promote` and `rollback`: give one"),
        ({"compare": {"sweep": "x"}}, "leave it out"),
        ({"compare": {"runs": ["a", "b"], "sweep": "x"}, "promote": None}, "give one of them"),
        ({"compare": {"runs": ["a"]}, "promote": None}, "compare.runs"),
        ({"compare": {"split": "train"}, "promote": None}, "compare.split"),
        ({"name": "../out"}, "`name`"),
    ],
)
def test_contradictions_are_answered_before_any_work(contest, values, said):
    with pytest.raises(ConfigError, match=said):
        request(contest, "linear", **values)
