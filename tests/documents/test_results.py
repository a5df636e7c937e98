"""The documents' tables: made from the record, and found in the documents as made."""

from dataclasses import replace
from pathlib import Path

import pytest

from docs.record.document import BLOCK, filled
from docs.record.harvest import harvest
from docs.record.recipes import recipe_plan, recipes, values_of
from docs.record.record import RECORD, merged, read_record, write_record
from docs.record.tables import TABLES
from src.config.settings import Tracking
from src.errors import ConfigError
from src.stats.intervals import t_interval
from tests.plans import stored_runs, train_plan

ROOT = RECORD.parents[2]
DOCUMENTS = [ROOT / "docs" / "results.md", ROOT / "README.md"]


@pytest.fixture(scope="module")
def record():
    return read_record(RECORD)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_committed_record_gives_the_committed_document(document: Path, record) -> None:
    text = document.read_text()
    assert BLOCK.search(text)
    assert filled(text, record) == text


def test_a_record_read_and_written_is_the_same(record, tmp_path: Path) -> None:
    write_record(tmp_path / "runs.csv", record)
    assert (tmp_path / "runs.csv").read_bytes() == RECORD.read_bytes()


def test_a_table_follows_the_record(record) -> None:
    worse = record.assign(val_accuracy=record["val_accuracy"] - 0.01)
    assert TABLES["search"](worse) != TABLES["search"](record)
    low, high = t_interval(record.loc[record["kind"] == "confirmation", "val_accuracy"])
    assert f"{low:.4f} to {high:.4f}" in TABLES["search"](record)


def test_a_newer_training_of_the_same_replaces_the_old_one_alone(record) -> None:
    old = record[(record["configuration"] == "exercise_dnn") & (record["seed"] == 3)]
    both = merged(record, old.assign(run_id="new"))
    assert len(old) == 1
    assert len(both) == len(record)
    assert "new" in set(both["run_id"])
    assert not set(old["run_id"]) & set(both["run_id"])


def test_what_the_record_lacks_is_said(record) -> None:
    some = record[record["configuration"] != "exercise_dnn"]
    with pytest.raises(ConfigError, match="no runs of experiment=exercise_dnn"):
        TABLES["exercise"](some)
    with pytest.raises(ConfigError, match="no such table"):
        filled("<!-- table: sumary -->\n<!-- end -->", record)


@pytest.mark.long
def test_runs_of_a_recipe_are_found_by_what_they_are_not_by_name(tmp_path: Path) -> None:
    store = Tracking(folder=tmp_path, experiment="record")
    plan = replace(recipe_plan("exercise_dnn_10_steps", seed=5), tracking=store, name="otherwise")
    done = train_plan(plan)
    stored = stored_runs(store)
    [line] = harvest(stored).itertuples()
    assert (line.configuration, line.seed) == ("exercise_dnn_10_steps", 5)
    assert line.run_id == done.run_id
    assert line.val_accuracy == float(line.val_accuracies.split()[-1]) == done.validation.accuracy
    assert line.test_accuracy == done.test.accuracy
    [recipe] = [each for each in recipes() if each.name == line.configuration]
    [run] = stored.finished
    values = values_of(stored.config(run.id, tmp_path / "kept"))
    assert recipe.changes(values) == {}
    other = {**values, "optimizer.lr": "0.06", "data.split_seed": "6"}
    assert recipe.changes(other) == {"optimizer.lr": "0.06", "data.split_seed": "6"}
