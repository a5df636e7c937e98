"""Who is compared with whom, and on which images, in a store of real runs."""

import pytest

from src.comparison.contenders import select
from src.comparison.settings import ContenderSelection
from src.config.settings import Tracking
from src.errors import ConfigError, TrackingError
from tests.plans import stored_runs

LINEAR = "linear epochs 12 batch 32 digits s1"
DNN = "dnn 256-128 dropout 0.2 epochs 12 batch 32 digits s1"


def chosen(contest, **which):
    return select(stored_runs(contest.tracking), ContenderSelection(**which))


def ids(contest, *names):
    return [contest.ids[name] for name in names]


def test_the_best_configuration_of_each_model_meets_with_all_its_seeds(contest):
    selection = chosen(contest)
    dnn, linear = selection.contenders
    assert (dnn.label, linear.label) == ("dnn", "linear")
    assert {run.id for run in dnn.runs} == set(ids(contest, "dnn 1 again", "dnn 2"))
    assert [run.params["seed"] for run in dnn.runs] == ["1", "2"]
    assert [run.id for run in linear.runs] == ids(contest, "linear")
    assert selection.split == "test"


def test_test_results_never_choose(own_contest):
    """A configuration with perfect test results and poor validation results is not taken."""
    client = own_contest.store.client
    client.log_metric(own_contest.ids["poor"], "test/accuracy", 1.0)
    dnn = chosen(own_contest).contenders[0]
    assert own_contest.ids["poor"] not in {run.id for run in dnn.runs}


def test_a_repeated_training_is_no_second_seed_and_it_is_said(contest):
    selection = chosen(contest, runs=ids(contest, "dnn 1", "dnn 1 again"))
    [contender] = selection.contenders
    [run] = contender.runs
    assert run.id == contest.ids["dnn 1 again"]
    [note] = selection.notes
    older, newer = (run_id[:8] for run_id in ids(contest, "dnn 1", "dnn 1 again"))
    assert f"({older}) is left out" in note
    assert f"({newer}) is a newer training of the same configuration and seed" in note


def test_runs_on_different_splits_are_refused_and_compared_only_when_asked(contest):
    both = ids(contest, "dnn 1", "other split")
    with pytest.raises(ConfigError, match="different splits") as error:
        chosen(contest, runs=both)
    for run_id in both:
        assert contest.store.client.get_run(run_id).data.tags["digest.split"][:12] in str(
            error.value
        )
    assert len(chosen(contest, runs=both, unpaired=True).contenders) == 2


def test_where_one_never_looked_at_the_test_images_validation_decides_and_it_is_said(contest):
    both = ids(contest, "dnn 1", "unseen")
    selection = chosen(contest, runs=both)
    assert selection.split == "validation"
    assert "never looked at the test images" in selection.notes[0]
    with pytest.raises(ConfigError, match="never looked at the test images"):
        chosen(contest, runs=both, split="test")
    assert chosen(contest, runs=ids(contest, "dnn 1", "linear")).split == "test"
    asked = chosen(contest, runs=ids(contest, "dnn 1", "linear"), split="validation")
    assert asked.split == "validation"


def test_a_sweeps_best_trial_is_judged_by_its_confirmations(contest):
    first, second = chosen(contest, sweep="hunt").contenders
    assert [run.id for run in first.runs] == ids(contest, "again 1")
    assert [run.id for run in second.runs] == ids(contest, "trial 1")
    with pytest.raises(ConfigError, match="no such sweep; there is hunt"):
        chosen(contest, sweep="hnt")


def test_a_trial_that_was_not_confirmed_is_behind_those_that_were(own_contest):
    """Its one value may be luck: by that it is chosen neither of the sweep nor of its model."""
    client = own_contest.store.client
    client.log_metric(own_contest.ids["trial 1"], "best/val_accuracy", 0.999)
    client.log_metric(own_contest.ids["trial 0"], "best/val_accuracy", 0.1)
    first, second = chosen(own_contest, sweep="hunt").contenders
    assert [run.id for run in first.runs] == ids(own_contest, "again 1")
    assert [run.id for run in second.runs] == ids(own_contest, "trial 1")
    dnn = chosen(own_contest).contenders[0]
    assert own_contest.ids["trial 1"] not in {run.id for run in dnn.runs}
    client.log_metric(own_contest.ids["again 1"], "best/val_accuracy", 0.998)
    dnn = chosen(own_contest).contenders[0]
    assert [run.id for run in dnn.runs] == ids(own_contest, "again 1")


def test_a_sweep_is_compared_with_what_is_left_of_it(own_contest):
    client, hunt = own_contest.store.client, own_contest.ids["hunt"]
    client.delete_run(own_contest.ids["trial 0"])
    assert len(chosen(own_contest, sweep="hunt").contenders) == 2
    client.delete_run(hunt)
    assert len(chosen(own_contest, sweep="hunt").contenders) == 2


def test_a_run_is_named_by_id_beginning_or_name(contest):
    stored = stored_runs(contest.tracking)
    linear = contest.ids["linear"]
    for named in (linear, linear[:10], LINEAR):
        assert stored.find(named, key="promote").id == linear
    assert stored.find(f"{DNN} run 2", key="promote").id == contest.ids["dnn 1 again"]
    with pytest.raises(ConfigError, match=f"did you mean `{LINEAR}`"):
        stored.find(LINEAR.replace("linear", "liner"), key="promote")
    with pytest.raises(ConfigError, match="is a sweep"):
        stored.find("hunt", key="promote")


def test_a_run_that_did_not_finish_has_no_result(own_contest):
    killed = own_contest.ids["dnn 2"]
    own_contest.store.client.set_terminated(killed, "KILLED")
    with pytest.raises(ConfigError, match="is KILLED"):
        stored_runs(own_contest.tracking).find(killed, key="promote")
    assert killed not in {run.id for run in chosen(own_contest).contenders[0].runs}


def test_a_store_without_runs_or_with_one_model_says_what_to_do(contest, tmp_path):
    with pytest.raises(TrackingError, match="nothing is tracked there yet; train first"):
        stored_runs(Tracking(folder=tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="two models on the same data and split on data=mnist"):
        chosen(contest, data="mnist")
