"""A run trained again: identical where it should be, and honest where it is not."""

import re
from functools import partial

import numpy as np
import pytest
import yaml

from src.cli.arguments import values_said
from src.cli.overrides import conf_open
from src.config.settings import Tracking
from src.errors import ConfigError
from src.tracking.runs import existing_run
from src.tracking.store import open_store
from src.training.reproduce import TOLERANCE, compare_runs, plan_again
from tests.conftest import python
from tests.data.tables import as_text, digit_rows, write
from tests.plans import QUICK, plan_of, stored_runs, train_plan

pytestmark = pytest.mark.long


def again(stored, named, *, others=()):
    """Return the plan of a run to be repeated, where the command line says `others` of it."""
    with conf_open():
        return plan_again(stored, named, said=partial(values_said, list(others)))


def train(folder, *overrides: str) -> str:
    plan = plan_of(*QUICK, "trainer.max_epochs=3", f"tracking.folder={folder}", *overrides)
    return train_plan(plan).run_id


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return a store with a run to repeat, one on another seed, and one on another split."""
    folder = tmp_path_factory.mktemp("reproduce")
    tracking = Tracking(folder=folder / "mlruns")
    ids = {
        "first": train(tracking.folder),
        "seed": train(tracking.folder, "seed=2"),
        "split": train(tracking.folder, "data.split_seed=5"),
    }
    return folder, tracking, ids


def test_the_command_trains_it_again_and_finds_it_identical(store):
    folder, tracking, ids = store
    done = python("-m", "src.train", f"reproduce={ids['first'][:10]}", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"identical: compared with run {ids['first']}" in done.stdout
    new = re.search(r"^run +(\w{32})$", done.stdout, re.MULTILINE)
    assert new
    stored = stored_runs(tracking)
    run, old = stored.get(new[1]), stored.get(ids["first"])
    assert run.tags["reproduces"] == old.id
    assert run.tags["reproduction"] == "identical"
    assert run.params == old.params
    assert run.metrics["test/accuracy"] == old.metrics["test/accuracy"]
    assert run.name == f"{old.name} reproduced"


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Return the folder of a search of one trial and one confirmation, on two cores."""
    folder = tmp_path_factory.mktemp("searched")
    wide = ("data=digits", "model.hidden_sizes=[256]", "trainer.batch_size=512")
    budget = (
        "n_trials=1",
        "trainer.max_epochs=3",
        "confirm.top=1",
        "confirm.seeds=1",
        "refit.seeds=0",
        "name=wide",
    )
    workers = ("executor=processes", "executor.workers=1", "optimizer.lr=interval(0.01,0.02)")
    done = python("-m", "src.sweep", *wide, *budget, *workers, cwd=folder, cores=2)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("begins", ["#000 lr ", "#000 seed 1/1"])
def test_a_trial_comes_out_the_same_though_other_cores_are_there(searched, begins, tmp_path):
    """What the executor decided is repeated: threads, and the seed of a confirmation."""
    stored = stored_runs(Tracking(folder=searched / "mlruns"))
    [named] = {
        run.name
        for run in stored.finished
        if run.name.startswith(begins) and "reproduced" not in run.name
    }
    run = stored.find(named, key="reproduce")
    assert stored.config(run.id, tmp_path)["trainer"]["threads"] == 2
    for cores in (1, 2):
        done = python("-m", "src.train", f"reproduce='{named}'", cwd=searched, cores=cores)
        assert done.returncode == 0, done.stderr
        assert "identical: compared with run" in done.stdout


def test_another_result_is_different_with_numbers_and_causes(store):
    _, tracking, ids = store
    stored = stored_runs(tracking)
    first, other = stored.get(ids["first"]), stored.get(ids["seed"])
    found = compare_runs(stored, first, other)
    assert found.verdict == "different"
    text = "\n".join(found.differences)
    assert f"accuracy {first.metrics['test/accuracy']:.4f}, now" in text
    assert f"now {other.metrics['best/val_accuracy']:.4f}" in text
    assert "seed: 1, now 2" in found.causes
    assert found.tags["reproduction"] == "different"


def test_what_was_recorded_otherwise_is_named(store):
    _, tracking, ids = store
    stored = stored_runs(tracking)
    found = compare_runs(stored, stored.get(ids["first"]), stored.get(ids["split"]))
    assert any("other validation images" in line for line in found.differences)
    assert any(line.startswith("the split: ") for line in found.causes)
    assert not any("torch" in line for line in found.causes)


def test_another_number_of_threads_is_named(store):
    _, tracking, ids = store
    stored = stored_runs(tracking)
    other = train(tracking.folder, "trainer.threads=2", "trainer.batch_size=512")
    found = compare_runs(stored, stored.get(ids["first"]), stored.get(other))
    assert {"trainer.threads: 1, now 2", "trainer.batch_size: 128, now 512"} <= set(found.causes)


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.2 * TOLERANCE, "within tolerance"), (5 * TOLERANCE, "different")]
)
def test_rounding_is_told_from_another_result(store, tmp_path, shift, verdict):
    """A copy of the run whose probabilities are shifted a little, as other hardware might."""
    _, tracking, ids = store
    twin = train(tracking.folder)
    stored = stored_runs(tracking)
    file = stored.file(twin, "predictions/test.npz", tmp_path)
    saved = dict(np.load(file))
    saved["probabilities"][:, 0] += np.float32(shift)
    (tmp_path / "changed" / "predictions").mkdir(parents=True)
    np.savez(tmp_path / "changed" / "predictions" / "test.npz", **saved)
    existing_run(open_store(tracking), twin).log_files(tmp_path / "changed")
    found = compare_runs(stored, stored.get(ids["first"]), stored.get(twin))
    assert found.verdict == verdict
    done = python("-m", "src.train", f"reproduce='{twin}'", cwd=tracking.folder.parent)
    assert done.returncode == (verdict == "different"), done.stderr
    assert ("error: the run came out different" in done.stderr) == (verdict == "different")


def test_a_configuration_of_another_version_is_refused_with_its_commit(store, tmp_path):
    _, tracking, ids = store
    stored = stored_runs(tracking)
    config = stored.config(ids["seed"], tmp_path)
    config["model"]["hiden"] = 3
    run = existing_run(open_store(tracking), ids["seed"])
    run.log_texts({"config.yaml": yaml.safe_dump(config)})
    with pytest.raises(ConfigError, match="does not take the configuration") as error:
        again(stored, ids["seed"])
    assert "model.hiden" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reproduce=nothing",), "nothing is tracked there yet"),
        (("reproduce=x", "tracking=off"), "names a tracked run"),
    ],
)
def test_what_cannot_be_repeated_is_said_at_once(tmp_path, arguments, said):
    done = python("-m", "src.train", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "seed=3",
            "`seed=3`: cannot be changed, reproduce={id} repeats a run that has 1; leave it",
        ),
        ("data=mnist", "`data=mnist`: cannot be changed, reproduce={id} repeats a run that has di"),
        ("model=linear", "`model=linear`: cannot be changed"),
        ("trainer.threads=2", "`trainer.threads=2`: cannot be changed"),
        ("experiment=exercise_dnn", "`data=mnist_10k`: cannot be changed"),
        ("optimizer.rl=0.1", "unknown key `optimizer.rl`; `optimizer` takes betas, lr, "),
        ("data.rows=5", "unknown key `data.rows`"),
    ],
)
def test_another_value_is_refused(store, said, told):
    _, tracking, ids = store
    with pytest.raises(ConfigError) as error:
        again(stored_runs(tracking), ids["first"], others=["seed=1", said])
    assert error.value.problems[0].startswith(told.format(id=ids["first"]))


def test_the_same_value_is_no_change(store):
    _, tracking, ids = store
    same = ["data=digits", "optimizer.lr=3e-3", "seed=1", "trainer.max_epochs=3"]
    plan, old = again(stored_runs(tracking), ids["first"], others=same)
    assert str(plan.optimizer.arguments["lr"]) == old.params["optimizer.lr"]


def test_an_experiment_says_all_that_it_is_made_of(store):
    _, tracking, _ = store
    options = ["experiment=dnn_20k", "data.validation_size=200", "model.hidden_sizes=[16]"]
    named, stored = train(tracking.folder, *options), stored_runs(tracking)
    same = ["data=digits", "trainer.max_epochs=3", "trainer.accelerator=auto", *options]
    plan, _ = again(stored, named, others=same)  # whatever `auto` was when the run was made
    assert plan.trainer.select == "last"
    with pytest.raises(ConfigError) as error:
        again(stored, named, others=options)
    keys = [problem.split("=")[0] for problem in error.value.problems]
    assert keys == ["`data", "`trainer.max_epochs"]


def test_a_table_that_has_moved_is_read_where_it_is_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one.csv", as_text(digit_rows()[:400]))
    write(tmp_path / "test.csv", as_text(digit_rows()[400:600]))
    tracking = Tracking(folder=tmp_path / "mlruns")
    old = train(tracking.folder, "data=csv", "data.path=one.csv", "data.test_path=test.csv")
    (tmp_path / "one.csv").rename("new.csv")
    (tmp_path / "test.csv").rename("other.csv")
    moved = ("data.path=new.csv", "data.test_path=other.csv")
    done = python("-m", "src.train", f"reproduce={old}", *moved, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"identical: compared with run {old}" in done.stdout
    new, stored = stored_runs(tracking).all[0], stored_runs(tracking)
    assert new.params["data.path"] == "new.csv"
    kept = stored.config(new.id, tmp_path / "kept")["data"]
    assert (kept["path"], kept["test_path"]) == ("new.csv", "other.csv")
    write(tmp_path / "other.csv", as_text(digit_rows()[400:800]))
    done = python("-m", "src.train", f"reproduce={old}", *moved, cwd=tmp_path)
    assert done.returncode == 2
    [said] = done.stderr.splitlines()
    assert said.startswith(f"error: data: not what run {old} began on (test ")
