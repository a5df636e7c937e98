"""One training, start to end, as it is found in the store afterwards through MLflow's client."""

import json
import re
import sqlite3
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from src.stats.intervals import wilson_interval
from src.stats.scores import confusion_counts, log_loss, per_class_scores
from src.training.artifacts import WeightPictures, picture_words, write_files
from src.training.description import config_digest
from src.training.device import find_device
from src.training.result import Score
from tests.conftest import TRAINING, Store
from tests.plans import QUICK, dataset_of, fit_of, plan_of

EPOCHS = 40
DEVICE = {"cuda": "gpu"}.get(find_device("auto"), find_device("auto"))
CURVES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr")
FIGURES = {
    "learning_curves",
    "confusion_matrix",
    "misclassified",
    "first_layer_weights",
    "weights_over_training",
}


def predictions(finished, split):
    return np.load(finished.artifacts / "predictions" / f"{split}.npz", allow_pickle=False)


def test_the_run_is_finished_and_holds_every_epochs_numbers(finished):
    assert finished.run.info.status == "FINISHED"
    assert finished.run.info.end_time is not None
    assert finished.run.info.run_name == "dnn 256-128 dropout 0.2 epochs 40 batch 32 digits s1"
    for key in CURVES:
        steps, values = zip(*finished.store.curve(finished.run_id, key), strict=True)
        assert steps == tuple(range(1, EPOCHS + 1)), key
        assert np.isfinite(values).all()


def test_the_curves_are_those_of_a_net_that_learns(finished):
    def curve(key):
        return np.array([value for _, value in finished.store.curve(finished.run_id, key)])

    assert curve("train_loss")[-1] < 0.3 * curve("train_loss")[0]
    assert curve("val_loss")[-1] < 0.3 * curve("val_loss")[0]
    assert curve("val_accuracy")[-1] > 0.93
    assert ((curve("train_accuracy") > 0) & (curve("train_accuracy") <= 1)).all()
    rate = curve("lr")
    assert rate.max() == pytest.approx(3e-3, rel=0.02)
    assert rate[-1] < 1e-5
    assert rate.argmax() == 9  # the cycle's top is after a quarter of 40 epochs


def test_the_best_values_are_those_of_the_curves_best_epoch(finished):
    metrics = finished.run.data.metrics
    accuracy = dict(finished.store.curve(finished.run_id, "val_accuracy"))
    best = int(metrics["best/epoch"])
    assert metrics["best/val_accuracy"] == max(accuracy.values()) == accuracy[best]
    assert best == min(epoch for epoch, value in accuracy.items() if value == accuracy[best])
    assert metrics["best/val_loss"] == pytest.approx(
        dict(finished.store.curve(finished.run_id, "val_loss"))[best], rel=1e-5
    )


@pytest.mark.parametrize(("split", "prefix"), [("test", "test/"), ("validation", "best/val_")])
def test_scores_come_from_the_saved_predictions_with_their_interval(finished, split, prefix):
    saved, metrics = predictions(finished, split), finished.run.data.metrics
    labels, probabilities = saved["labels"], saved["probabilities"]
    assert labels.dtype == np.int64
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (359, 10) == (len(labels), len(saved["class_names"]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    right = int((probabilities.argmax(axis=1) == labels).sum())
    assert metrics[f"{prefix}accuracy"] == right / 359
    if split == "test":
        interval = (metrics["test/accuracy_low"], metrics["test/accuracy_high"])
        assert interval == wilson_interval(right, 359)
        assert interval[0] < right / 359 < interval[1]
    assert right / 359 > 0.93


def test_the_test_images_are_the_sources_own_and_the_look_is_counted(finished):
    test = plan_of(*QUICK).data.build().load_test()
    np.testing.assert_array_equal(predictions(finished, "test")["labels"], test.labels)
    assert finished.run.data.tags["test.looks"] == "1"


@pytest.mark.long
def test_the_test_images_can_be_left_alone(run_verb, store):
    done = run_verb(*QUICK, "trainer.max_epochs=1", "test=false")
    assert done.returncode == 0, done.stderr
    assert "test accuracy             not looked at" in done.stdout
    run = store.only_run()
    assert not [key for key in run.data.metrics if key.startswith("test/")]
    assert not {"test.looks", "digest.test"} & run.data.tags.keys()
    kept = yaml.safe_load((store.artifacts(run.info.run_id) / "config.yaml").read_text())
    assert kept["test"] is False
    # what is repeated follows the run; and it is no other configuration
    done = run_verb(f"reproduce={run.info.run_id}")
    assert done.returncode == 0, done.stderr
    again = store.runs()[0]
    assert "test.looks" not in again.data.tags
    assert again.data.tags["config.digest"] == run.data.tags["config.digest"]
    done = run_verb(f"reproduce={run.info.run_id}", "test=true")
    assert done.returncode == 2
    assert "`test=True`: cannot be changed" in done.stderr
    assert config_digest(plan_of(*QUICK, "test=false")) == config_digest(plan_of(*QUICK))


def test_validation_and_test_have_one_log_loss(finished):
    metrics = finished.run.data.metrics
    best = int(metrics["best/epoch"])
    for split, found in (("validation", "best/val_loss"), ("test", "test/log_loss")):
        file = predictions(finished, split)
        assert log_loss(file["probabilities"], file["labels"]) == metrics[found]
    curve = dict(finished.store.curve(finished.run_id, "val_loss"))
    assert curve[best] == pytest.approx(metrics["best/val_loss"], rel=1e-5)


def test_params_are_what_a_person_compares_and_no_more(finished):
    assert finished.run.data.params == {
        "data": "digits",
        "model": "dnn",
        "model.hidden_sizes": "[256, 128]",
        "layers": "2",
        "hidden_units": "384",
        "regularization.dropout": "0.2",
        "regularization.augmentation": "0.0",
        "optimizer": "adamw",
        "optimizer.lr": "0.003",
        "optimizer.weight_decay": "0.01",
        "trainer.batch_size": "32",
        "trainer.max_epochs": "40",
        "seed": "1",
    }


def test_metrics_are_five_curves_and_the_values_of_a_table(finished):
    metrics = finished.run.data.metrics
    curves = {key for key in metrics if len(finished.store.curve(finished.run_id, key)) > 1}
    assert curves == {f"all epochs/{key}" for key in CURVES}
    assert len(metrics.keys() - curves) <= 12


def test_tags_say_on_what_it_was_made_and_a_file_where_and_with_what(finished):
    tags, dataset = finished.run.data.tags, dataset_of(plan_of(*QUICK))
    for key in ("digest.data", "digest.split", "digest.test", "config.digest"):
        assert re.fullmatch("[0-9a-f]{64}", tags[key]), key
    assert tags["digest.data"] == dataset.data_digest
    assert tags["digest.split"] == dataset.split_digest
    assert tags["outcome"] == "finished"
    own = {key for key in tags if not key.startswith("mlflow.")}
    assert len(own) <= 10, own
    environment = json.loads((finished.artifacts / "environment.json").read_text())
    assert environment["version.torch"].startswith(torch.__version__.split("+")[0])
    for package in ("python", "pytorch-lightning", "hydra-core", "mlflow", "numpy"):
        assert re.match(r"\d+\.\d+", environment[f"version.{package}"]), package
    assert environment["hardware.processor"]
    assert int(environment["hardware.cores"]) >= 1
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert environment["hardware.device"].startswith(device)
    if "git.dirty" in environment:
        assert re.fullmatch("[0-9a-f]{40}", tags["mlflow.source.git.commit"])
        dirty = environment["git.dirty"] == "true"
        assert dirty or not (finished.artifacts / "uncommitted.patch").exists()


def test_the_dataset_is_an_input_of_the_run(finished):
    [used] = finished.run.inputs.dataset_inputs
    digest = finished.run.data.tags["digest.data"]
    assert used.dataset.name == "digits"
    assert digest.startswith(used.dataset.digest)
    assert len(used.dataset.digest) >= 32
    assert json.loads(used.dataset.profile)["train"] == 1079


def test_the_kept_configuration_gives_the_same_plan_again(finished):
    kept = yaml.safe_load((finished.artifacts / "config.yaml").read_text())
    plan = plan_of(*TRAINING, f"trainer.accelerator={DEVICE}")
    assert kept.pop("choices") == plan.choices
    of_the_call = {"resume", "reproduce", "tracking"}  # the store's address may hold a password
    assert kept == {k: v for k, v in plan.config.items() if k not in of_the_call}


def test_the_checkpoint_loads_without_unpickling_code_and_is_the_best_epochs(finished):
    stored = torch.load(finished.artifacts / "checkpoint" / "best.ckpt", weights_only=True)
    model = plan_of(*TRAINING).model.build(image_shape=(1, 8, 8), num_classes=10)
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in stored["state_dict"].items()}, strict=True
    )
    images = torch.from_numpy(dataset_of(plan_of(*QUICK)).validation.pixels) / 255
    with torch.no_grad():
        probabilities = model.eval()(images).softmax(dim=1).numpy()
    np.testing.assert_allclose(
        probabilities, predictions(finished, "validation")["probabilities"], atol=1e-5
    )


def test_every_figure_is_a_picture_with_something_on_it(finished):
    files = list((finished.artifacts / "figures").iterdir())
    assert {file.stem for file in files} == FIGURES
    for file in files:
        assert file.suffix == ".png"
        with Image.open(file) as picture:
            picture.load()
            pixels = np.asarray(picture.convert("L"), dtype=np.float64)
        assert min(pixels.shape) >= 150, file.name  # a sheet of one row is low
        assert pixels.std() > 5, file.name
        assert len(np.unique(pixels)) > 20, file.name


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_table_scores_every_class(finished, split):
    table = pd.read_csv(finished.artifacts / "tables" / f"per_class_{split}.csv")
    saved = predictions(finished, split)
    counts = confusion_counts(
        saved["labels"], saved["probabilities"].argmax(axis=1), num_classes=10
    )
    assert list(table["class"].astype(str)) == list(saved["class_names"]) == list("0123456789")
    for key, expected in per_class_scores(counts).items():
        np.testing.assert_allclose(table[key], expected, atol=1e-4)


def test_weights_and_confusions_are_series_for_the_step_slider(finished):
    names = [file.name for file in (finished.artifacts / "images").glob("*.png")]

    def steps(key):
        found = [re.match(rf"{key}\+step\+(\d+)\+", name) for name in names]
        return sorted(int(match[1]) for match in found if match)

    steps_an_epoch = 1079 // 32
    best = int(finished.run.data.metrics["best/epoch"])
    early = {0, 10, 30, 100, 300, 1000}
    assert steps("all epochs~weights by minibatch") == sorted({*early, best * steps_an_epoch})
    assert set(steps("all epochs~confusion by epoch")) >= {1, 2, 4, 8, 16, 32}


def test_the_logged_model_gives_the_probabilities_that_were_scored(finished, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", finished.store.client.tracking_uri)
    [output] = finished.run.outputs.model_outputs
    logged = finished.store.client.get_logged_model(output.model_id)
    assert logged.status == "READY"
    assert logged.source_run_id == finished.run_id
    place = logged.artifact_location.removeprefix("file://")
    model = mlflow.pytorch.load_model(place)
    images = torch.from_numpy(dataset_of(plan_of(*QUICK)).validation.pixels) / 255
    with torch.no_grad():
        probabilities = model(images).numpy()
    np.testing.assert_allclose(
        probabilities, predictions(finished, "validation")["probabilities"], atol=1e-6
    )
    description = mlflow.models.get_model_info(place)
    assert description.signature.inputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, 1, 8, 8)
    assert description.saved_input_example_info is not None
    assert (Path(place) / "data" / "model.pt2").exists()


def test_the_database_is_in_wal_mode(finished):
    with sqlite3.connect(finished.store.folder / "mlruns" / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_nothing_but_mlruns_appears_and_no_working_folder_stays(finished):
    assert [path.name for path in finished.store.folder.iterdir()] == ["mlruns"]
    inside = {path.name for path in (finished.store.folder / "mlruns").iterdir()}
    allowed = {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm", ".mlflow.db.lock", "artifacts"}
    assert inside <= allowed | {"runs"}
    assert list((finished.store.folder / "mlruns").glob("runs/*")) == []


def test_the_screen_says_what_is_trained_and_what_came_out(finished):
    lines = finished.output.splitlines()
    assert lines[0].startswith("training dnn (hidden_sizes=[256, 128]")
    assert lines[0].endswith("on digits, up to 40 epochs, seed 1")
    assert [line.split()[1] for line in lines[1 : EPOCHS + 1]] == [
        f"{epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)
    ]
    metrics = finished.run.data.metrics
    table = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines[EPOCHS + 2 : -2])
    assert table["best validation accuracy"].startswith(f"{metrics['best/val_accuracy']:.4f}")
    assert table["test accuracy"].startswith(f"{metrics['test/accuracy']:.4f}  (95 % interval")
    assert table["run"] == finished.run_id
    assert "seconds" in table
    assert lines[-1] == "look at it with: make ui"
    assert "\x1b" not in finished.output  # no colours where no terminal is


def test_a_score_names_its_interval_for_people():
    score = Score(accuracy=0.5, low=0.4, high=0.6, log_loss=1.0, images=100)
    assert score.describe() == "0.5000  (95 % interval 0.4000 to 0.6000)"


SHORT = (*QUICK, "trainer.max_epochs=4", "model.hidden_sizes=[32]", "regularization=augment")


def history(folder, *line):
    folder.mkdir()
    plan = plan_of(*SHORT, *line)
    epochs = fit_of(plan, dataset_of(plan), folder).classifier.history
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs]


def test_the_same_seed_gives_the_same_numbers_to_the_last_bit_and_another_does_not(tmp_path):
    one = history(tmp_path / "one")
    assert one == history(tmp_path / "same")
    other = history(tmp_path / "other", "seed=2")
    assert all(a["train_loss"] != b["train_loss"] for a, b in zip(one, other, strict=True))


def test_another_process_gives_the_same_numbers_to_the_last_bit(finished, tmp_path):
    plan = plan_of(*TRAINING)
    epochs = fit_of(plan, dataset_of(plan), tmp_path).classifier.history
    for key in set(CURVES) - {"seconds"}:
        assert [epoch[key] for epoch in epochs] == [
            value for _, value in finished.store.curve(finished.run_id, key)
        ], key


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path):
    plan = plan_of(
        *QUICK,
        "trainer.max_epochs=30",
        "regularization.patience=3",
        "optimizer.lr=1e-12",
        "scheduler=constant",
    )
    done = fit_of(plan, dataset_of(plan), tmp_path)
    accuracies = [epoch["val_accuracy"] for epoch in done.classifier.history]
    assert len(accuracies) == done.best_epoch + 3 < 30
    assert max(accuracies) == accuracies[done.best_epoch - 1]


def test_the_last_epoch_is_kept_where_that_is_asked_for(tmp_path):
    line = ("trainer.max_epochs=8", "trainer.select=last", "optimizer.lr=3.0", "optimizer=sgd")
    plan = plan_of(*QUICK, *line, "scheduler=constant")
    done = fit_of(plan, dataset_of(plan), tmp_path)
    accuracies = [epoch["val_accuracy"] for epoch in done.classifier.history]
    assert max(accuracies) > accuracies[-1], "choose a training whose last epoch is not its best"
    assert (done.best_epoch, done.select) == (8, "last")
    kept = torch.load(done.checkpoint, weights_only=True)["state_dict"]
    assert torch.equal(kept["model.1.weight"], done.classifier.state_dict()["model.1.weight"])


def test_a_training_that_still_gains_is_not_stopped(tmp_path):
    plan = plan_of(
        *QUICK, "trainer.max_epochs=6", "regularization.patience=2", "trainer.batch_size=32"
    )
    epochs = fit_of(plan, dataset_of(plan), tmp_path).classifier.history
    accuracies = [epoch["val_accuracy"] for epoch in epochs]
    assert all(later > earlier for earlier, later in pairwise(accuracies[:4]))
    assert len(epochs) == 6


def test_one_image_a_minibatch_and_all_in_one_minibatch_can_be_trained(tmp_path):
    for size, epochs in ((1, 1), (5000, 3), (5000, 1)):
        folder = tmp_path / f"{size}-{epochs}"
        folder.mkdir()
        plan = plan_of(*QUICK, f"trainer.batch_size={size}", f"trainer.max_epochs={epochs}")
        dataset = dataset_of(plan, train_images=50)
        done = fit_of(plan, dataset, folder)
        assert done.classifier.steps == epochs * max(1, 50 // size)


def test_a_loss_that_is_no_number_fails_the_run_and_names_the_epoch(run_verb, store):
    done = run_verb(*QUICK, "optimizer=sgd", "optimizer.lr=1e30", "trainer.max_epochs=3")
    assert done.returncode == 1
    [told] = done.stderr.splitlines()
    assert re.fullmatch(r"error: (train|val)_loss is nan in epoch 1; lower `optimizer.lr` .*", told)
    run = store.only_run()
    assert run.info.status == "FAILED"
    assert "in epoch 1" in run.data.tags["end_reason"]
    trace = (store.artifacts(run.info.run_id) / "traceback.txt").read_text()
    assert "TrainingFailed" in trace
    assert run.data.params["optimizer.lr"] == "1e+30"


def test_without_tracking_nothing_is_left_behind(run_verb, tmp_path):
    done = run_verb(*QUICK, "tracking=off", "trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    assert "not tracked" in done.stdout
    assert "test accuracy" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_grid_leaves_one_finished_run_for_every_combination(run_verb, store, tmp_path):
    done = run_verb("-m", "model=linear,dnn", "seed=1,2", *QUICK, "trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    runs = store.runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    made = {(run.data.params["model"], run.data.params["seed"]) for run in runs}
    assert made == {(model, seed) for model in ("linear", "dnn") for seed in "12"}
    assert len({run.data.metrics["test/accuracy"] for run in runs}) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["mlruns"]
    assert Store(tmp_path).curve(runs[0].info.run_id, "val_loss")[-1][0] == 2
    head, *rows = done.stdout.splitlines()[-5:]
    assert head.split() == ["validation", "test", "seconds", "run"]
    reached = {run.info.run_id[:8]: run.data.metrics["best/val_accuracy"] for run in runs}
    shown = [reached[row.split()[-1]] for row in rows]
    assert shown == sorted(reached.values(), reverse=True)
    assert {" ".join(row.split()[:2]) for row in rows} == {
        f"model={model} seed={seed}" for model in ("linear", "dnn") for seed in "12"
    }


CONVOLUTION = torch.nn.Sequential(torch.nn.Conv2d(1, 12, 3), torch.nn.Flatten())
BEHIND_A_POOL = torch.nn.Sequential(
    torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(16, 10)
)


@pytest.mark.parametrize("own", [CONVOLUTION, BEHIND_A_POOL])
def test_kernels_are_a_picture_and_a_model_without_says_so(own, tmp_path):
    plan = plan_of(*QUICK, "model=linear", "trainer.max_epochs=1")
    dataset = dataset_of(plan)
    done = replace(fit_of(plan, dataset, tmp_path), weights={})
    done.classifier.model = own
    folder = tmp_path / "files"
    folder.mkdir()
    write_files(folder, done, None, dataset, WeightPictures(done, dataset))
    has_kernels = own is CONVOLUTION
    assert (folder / "figures" / "first_layer_weights.png").exists() == has_kernels
    assert ("none of weights" in picture_words(done)) != has_kernels


def test_the_log_and_what_was_used_are_kept_with_the_run(finished):
    log = (finished.artifacts / "training.log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[3] for line in log if "  epoch " in line] == [
        f"{epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)
    ]
    used = finished.run.data.metrics
    assert used["seconds/processor"] > 0.5
    assert used["memory/peak_mb"] > 100


def test_warnings_of_a_training_are_in_its_log_and_on_the_screen(tmp_path):
    plan = plan_of(*QUICK, "trainer.max_epochs=1")
    with pytest.warns(UserWarning, match="a bad sign"):
        fit_of(
            plan,
            dataset_of(plan),
            tmp_path,
            log_epoch=lambda epoch, metrics: warnings.warn("a bad sign", stacklevel=1),
        )
    assert "warning: a bad sign" in (tmp_path / "training.log").read_text(encoding="utf-8")


def test_weights_after_the_kept_epoch_are_no_part_of_the_model(tmp_path):
    values = ("model=dnn", "optimizer.lr=0.01", "trainer.batch_size=256", "trainer.max_epochs=40")
    plan = plan_of(*QUICK, *values, "trainer.select=best")
    fitted = fit_of(plan, dataset_of(plan), tmp_path)
    kept_step = 4 * fitted.best_epoch
    assert kept_step < 100 < 4 * 40, "a picture was kept after the best epoch"
    assert sorted(fitted.weights) == [0, 10, 30, kept_step]
    assert np.array_equal(fitted.weights[kept_step], fitted.classifier.first_layer().numpy())
