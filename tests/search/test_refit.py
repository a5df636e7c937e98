"""What a search hands over: the winner on all rows, used like any other model; and by hand."""

import json
import shutil

import numpy as np
import pytest

from src.comparison.champion import promote
from src.comparison.contenders import select
from src.comparison.settings import ContenderSelection, make_request
from src.config.settings import Tracking
from src.errors import ConfigError, TrackingError
from src.inference.recogniser import load_recogniser
from src.models.predictor import load_predictor
from src.pictures.reading import picture_from_array
from src.search.composer import on_all_rows
from src.tracking.queries import CHECKPOINT
from tests.inference.conftest import recognise
from tests.plans import plan_of, stored_runs, train_plan
from tests.sweeping import FAST, Sweep, sweep

SEARCH = (
    *("name=mine", *FAST, "model=linear", "optimizer.lr=choice(0.01,0.03)", "executor=serial"),
    *("trainer.max_epochs=2", "n_trials=2", "confirm.seeds=2", "refit.seeds=2"),
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Return a search whose winner was trained twice on all rows, and the runs it left."""
    folder = tmp_path_factory.mktemp("refitted")
    done = sweep(*SEARCH, cwd=folder)
    assert done.returncode == 0, done.stderr
    found = Sweep(folder, "mine")
    summary = json.loads((found.report / "summary.json").read_text())
    return found, summary, stored_runs(Tracking(folder=folder / "mlruns"))


def test_it_answers_with_the_mean_of_its_members(searched, tmp_path):
    found, summary, stored = searched
    run = stored.find(summary["handed_over"], key="model")
    assert run.name == f"#{summary['best']:03} refit, mean of 2"
    members = run.tags["ensemble.members"].split(", ")
    digits = plan_of("data=digits").data.build().load_test().pixels[:50]
    whole, *parts = (
        load_predictor(stored.file(run_id, CHECKPOINT, tmp_path)).predict(digits)
        for run_id in (run.id, *members)
    )
    assert np.allclose(whole, np.mean(parts, axis=0), atol=1e-6)
    looked = [run.info.run_id for run in found.below() if "test.looks" in run.data.tags]
    assert looked == [run.id]


def test_its_threshold_comes_from_the_winners_validation_images(searched):
    found, summary, stored = searched
    refitted = load_recogniser(stored, model=summary["handed_over"])
    winner = load_recogniser(stored, model=found.children()[summary["best"]].info.run_id)
    assert refitted.threshold == winner.threshold
    accuracy = f"{winner.run.metrics['best/val_accuracy']:.1%}"
    assert f"as run {winner.run.id[:8]}, which had {accuracy} of" in refitted.origin


def test_it_answers_whatever_is_deleted_of_its_search(searched, tmp_path):
    """As in the UI, and then for good: with their files."""
    found, summary, _ = searched
    shutil.copytree(found.folder, tmp_path, dirs_exist_ok=True)
    tracking, run_id = Tracking(folder=tmp_path / "mlruns"), summary["handed_over"]
    asked = {"compare": {}, "tracking": tracking.model_dump(), "promote": run_id}
    stored = stored_runs(tracking)
    promote(stored, make_request(asked), named=run_id, say=lambda text: None)
    before = load_recogniser(stored)
    own = Sweep(tmp_path, "mine")
    for run in own.below():
        if run.info.run_id != run_id:
            shutil.rmtree(own.store.artifacts(run.info.run_id))
            own.store.client.delete_run(run.info.run_id)
    after = load_recogniser(stored_runs(tracking))
    assert after.run.id == run_id
    assert after.threshold == before.threshold
    digits = plan_of("data=digits").data.build().load_test().pixels[:20]
    pictures = [picture_from_array(image[0]) for image in digits]
    labels = [[recognise(one, picture).label for picture in pictures] for one in (before, after)]
    assert labels[0] == labels[1]
    assert labels[0].count(None) < 10


def test_the_winner_has_the_best_mean_on_fresh_seeds(searched):
    found, summary, _ = searched
    means = {
        number: np.mean([run.data.metrics["best/val_accuracy"] for run in runs.values()])
        for number in (0, 1)
        if len(runs := found.confirmations(number)) == 2
    }
    assert means
    assert summary["best"] == max(means, key=means.get)
    assert summary["verdict"]["mean"] == pytest.approx(means[summary["best"]])


def test_a_run_keeps_the_threads_that_were_given_and_the_precision_that_auto_was(searched):
    found, *_ = searched
    for run in found.below():
        if "ensemble.members" not in run.data.tags:
            kept = found.kept_trainer(run)
            assert (kept["threads"], kept["precision"]) == (1, "float32")


def test_it_is_never_ranked_by_validation_accuracy(searched):
    found, summary, stored = searched
    chosen = select(stored, ContenderSelection(sweep="mine"))
    names = [run.name for contender in chosen.contenders for run in contender.runs]
    assert names
    assert not [name for name in names if "refit" in name]
    trial = found.children()[summary["best"]].info.run_id
    both = ContenderSelection(runs=[summary["handed_over"], trial])
    with pytest.raises(ConfigError, match="different splits"):
        select(stored, both)


def test_one_training_on_every_row_by_hand(tmp_path):
    whole = ("data=digits", "data.validation_size=0", "trainer.select=last", "trainer.max_epochs=2")
    plan = plan_of(*whole, "model=linear", f"tracking.folder={tmp_path}")
    result = train_plan(plan)
    assert result.validation is None
    assert result.test is not None
    stored = stored_runs(plan.tracking)
    run = stored.find(result.run_id, key="model")
    assert not [key for key in run.metrics if "val_" in key]
    assert {"best/epoch", "test/accuracy", "model/parameters"} <= run.metrics.keys()
    with pytest.raises(ConfigError, match=r"`model`=.* was trained on every row"):
        load_recogniser(stored, model=result.run_id)
    with pytest.raises(TrackingError, match="neither a champion nor a run that can answer"):
        load_recogniser(stored)
    asked = {"compare": {}, "tracking": plan.tracking.model_dump(), "promote": result.run_id}
    forced = {"force": True, "reason": "it is good"}
    for request in (make_request(asked), make_request({**asked, **forced})):
        with pytest.raises(ConfigError, match=r"`promote`=.* was trained on every row"):
            promote(stored, request, named=result.run_id, say=lambda text: None)
    both = ContenderSelection(runs=[result.run_id, train_plan(plan).run_id], split="validation")
    with pytest.raises(ConfigError, match="has no validation images to be compared on"):
        select(stored_runs(plan.tracking), both)


def test_a_trial_that_stops_early_is_trained_on_for_the_epochs_it_took():
    usual = plan_of("data=digits", "trainer.max_epochs=30")
    early = plan_of("data=digits", "trainer.max_epochs=30", "regularization.patience=3")
    assert on_all_rows(usual, epochs=12).trainer.max_epochs == 30
    again = on_all_rows(early, epochs=12)
    assert again.trainer.max_epochs == 12
    assert again.regularization.patience is None
    assert again.trainer.select == "last"
    assert len(again.data.build().load().validation) == 0
