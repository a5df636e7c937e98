"""`python -m src.predict`: which model answers, in which form, and what is left unanswered."""

import csv
import json
import re
import shutil
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch
from PIL import Image

from src.config.settings import Predict, TableReading, Tracking
from src.errors import ConfigError, TrackingError
from src.figures.canvas import font
from src.inference.calibration import choose_threshold, judge_threshold
from src.inference.output import answer_all
from src.inference.page.answers import Answers
from src.inference.recogniser import load_recogniser
from src.models.predictor import Predictor
from src.pictures.reading import picture_from_array
from src.predict import split_arguments
from tests.comparison.conftest import train_into
from tests.conftest import Store, python
from tests.data.tables import as_text, digit_rows, write
from tests.inference.conftest import enlarged, recognise
from tests.plans import stored_runs

LONG = f"name={'x' * 300}"
"""Longer than any file's name may be."""


@pytest.fixture(scope="session")
def pictures(digits, tmp_path_factory):
    """Twenty large dark-on-light digits, named by their class; and three without an answer."""
    folder = tmp_path_factory.mktemp("pictures")
    twenty = zip(digits.pixels[:20, 0], digits.labels[:20], strict=True)
    for number, (pixels, label) in enumerate(twenty):
        large = ((1 - enlarged(pixels)) * 255).round().astype(np.uint8)
        Image.fromarray(large).save(folder / f"{number:02}_{label}.png")
    Image.new("L", (60, 60), 240).save(folder / "blank.png")
    (folder / "broken.png").write_bytes((folder / "blank.png").read_bytes()[:50])
    return folder


def test_the_verb_answers_for_a_folder_with_the_champion(trained, pictures):
    missing = str(pictures / "missing.png")
    arguments = [str(pictures), missing, "format=json", "explain=true"]
    done = python("-m", "src.predict", *arguments, cwd=trained.folder)
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert said["run"] == trained.dense
    answers = {a["file"].split("/")[-1]: a for a in said["answers"]}
    assert len(answers) == 21
    sure = {n: a for n, a in answers.items() if a["status"] == "recognised"}
    assert len(sure) >= 15
    right = [name[3] == answer["label"] for name, answer in sure.items()]
    assert np.mean(right) >= 0.9
    assert answers["blank.png"]["status"] == "no ink"
    assert answers["blank.png"]["label"] is None
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "broken.png" in errors[0]
    assert "missing.png" in errors[1]
    assert "the champion, version 1" in done.stderr
    sheets = sorted((trained.folder / "mlruns" / "predict").glob("*.png"))
    assert len(sheets) == 2  # 21 rows, 20 a sheet
    drawn = np.asarray(Image.open(sheets[0]).convert("L"))
    assert drawn.min() < 10
    assert drawn.max() > 250


def answered(recogniser, files, capsys, **settings):
    where = {"reading": TableReading(), "folder": files[0].parent}
    problems = answer_all(files, [], recogniser, Predict(**settings), **where)
    out, err = capsys.readouterr()
    return problems, out, err


def test_csv_has_a_row_a_picture_and_nothing_else(trained, pictures, capsys):
    files = sorted(pictures.glob("*_*.png"))
    problems, out, err = answered(trained.champion, files, capsys, format="csv")
    rows = list(csv.DictReader(StringIO(out)))
    assert problems == []
    assert [row["file"] for row in rows] == [str(file) for file in files]
    for row in rows:
        assert row["label"] == (row["best"] if row["status"] == "recognised" else "")
        assert float(row["probability"]) >= float(row["runner_up_probability"])
        assert row["best"] != row["runner_up"]
    assert "no answer below" in err


def test_the_table_says_the_threshold_and_why_there_is_no_answer(trained, pictures, capsys):
    files = [pictures / "blank.png", *sorted(pictures.glob("*_*.png"))]
    strict = load_recogniser(stored_runs(trained.tracking), threshold=0.9999999)
    _, out, err = answered(strict, files, capsys)
    assert err == ""
    assert "no answer below probability 1.000" in out
    rows = {line.split("/")[-1].split()[0]: line for line in out.splitlines() if ".png" in line}
    assert rows["blank.png"].endswith("no ink")
    assert any("unsure, looks most like" in row for row in rows.values())


def test_several_digits_have_no_label(trained):
    from PIL import ImageDraw

    page = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(page).text((150, 100), "42", font=font(110), fill=0, anchor="mm")
    answer = recognise(trained.champion, picture_from_array(np.asarray(page)))
    assert (answer.status, answer.label) == ("several digits", None)
    assert answer.probabilities.sum() == 0


def test_a_model_is_named_by_its_id_or_the_beginning_of_it(trained):
    for name in (trained.linear, trained.linear[:12]):
        assert load_recogniser(stored_runs(trained.tracking), model=name).run.id == trained.linear
    with pytest.raises(ConfigError, match=r"`model`=zzz: no run .* choose for instance"):
        load_recogniser(stored_runs(trained.tracking), model="zzz")


def test_without_a_champion_the_newest_finished_run_answers_and_it_is_said(finished):
    recogniser = load_recogniser(stored_runs(Tracking(folder=finished.store.folder / "mlruns")))
    assert recogniser.run.id == finished.run_id
    assert "no champion" in recogniser.origin
    assert recogniser.predictor.image_shape == (1, 8, 8)


def test_without_a_champion_runs_on_the_usual_data_come_before_newer_ones(tmp_path):
    tracking = Tracking(folder=tmp_path / "mlruns")
    few = ("model=linear", "trainer.max_epochs=1", "data.validation_size=100")
    usual = train_into(tracking, "data=mnist_10k", *few)
    train_into(tracking, "data=digits", *few)
    recogniser = load_recogniser(stored_runs(tracking))
    assert recogniser.run.id == usual
    assert "no champion" in recogniser.origin
    assert "trained on mnist_10k" in recogniser.origin


def test_what_cannot_answer_is_passed_over_and_leaves_other_models_their_panels(tmp_path):
    """Newer than a run of grey images: one on every row, one of a comparison, one of colours."""
    tracking = Tracking(folder=tmp_path / "mlruns")
    quick = ("model=linear", "trainer.max_epochs=1")
    usual = train_into(tracking, "data=digits", *quick)
    whole = train_into(
        tracking, "data=digits", *quick, "data.validation_size=0", "trainer.select=last"
    )
    train_into(tracking, "data=digits", *quick, "seed=2", tags={"comparison.split": "2"})
    table = write(tmp_path / "colours.csv", as_text(digit_rows(600)))
    coloured = train_into(
        tracking, "data=csv", f"data.path={table}", "data.image_shape=[4,4,4]", *quick
    )
    stored = stored_runs(tracking)
    recogniser = load_recogniser(stored)
    assert recogniser.run.id == usual
    assert [run.id for run in stored.newest(50)] == [usual]
    for run_id, why in ((whole, "on every row"), (coloured, "on images of 4 channels")):
        with pytest.raises(ConfigError, match=f"`model`={run_id}: was trained {why}"):
            load_recogniser(stored, model=run_id)
    page = Answers(stored).answer("", [whole, usual, coloured])
    statuses = re.findall(r'data-status="(\w+)"', page)
    assert statuses == ["problem", "waiting", "problem"]
    assert "was trained on every row" in page


def test_a_run_whose_kept_images_are_gone_says_so_in_one_line(finished, tmp_path):
    shutil.copytree(finished.store.folder, tmp_path, dirs_exist_ok=True)
    stored = stored_runs(Tracking(folder=tmp_path / "mlruns"))
    shutil.rmtree(Store(tmp_path).artifacts(finished.run_id) / "preparation")
    with pytest.raises(TrackingError, match=r"preparation/form.json cannot be fetched") as caught:
        load_recogniser(stored)
    assert len(caught.value.problems) == 1


def test_of_equally_likely_classes_the_first_is_the_answer_as_everywhere(trained):
    """A linear model whose weights are all 0."""
    images = trained.champion.calibration.images.pixels[:1]
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)
    own = trained.champion.predictor
    names, shape = own.class_names, own.image_shape
    even = Predictor(network, loss="softmax", class_names=names, image_shape=shape)
    recogniser = replace(trained.champion, predictor=even)
    answer = recognise(recogniser, picture_from_array(images[0, 0]))
    assert (answer.best, answer.runner_up) == ("0", "1")


@pytest.mark.parametrize("name", ["missing.png", "x" * 300])
def test_without_any_picture_nothing_is_loaded(finished, name):
    command = ("-X", "importtime", "-m", "src.predict", name, "c.png")
    done = python(*command, cwd=finished.store.folder)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said == [f"error: {file}: there is no such file" for file in (name, "c.png")]
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "mlflow"}


def test_where_nothing_was_tracked_it_says_so_and_makes_nothing(tmp_path):
    with pytest.raises(TrackingError, match="nothing is tracked there yet; train first"):
        load_recogniser(stored_runs(Tracking(folder=tmp_path / "mlruns")))
    assert list(tmp_path.iterdir()) == []


def test_the_models_answers_are_those_of_its_training(trained, digits):
    """Images in the data's own form get the probabilities that the run has stored for them."""
    artifacts = trained.folder / "mlruns" / "artifacts" / trained.dense / "artifacts"
    with np.load(artifacts / "predictions" / "validation.npz") as stored:
        expected = stored["probabilities"][:100]
    pictures = [picture_from_array(p[0]) for p in digits.pixels[:100]]
    prepared = [trained.champion.prepare(picture) for picture in pictures]
    got = np.stack([answer.probabilities for answer in trained.champion.answer(prepared)])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_threshold_is_the_smallest_with_99_percent_right():
    confidence = np.linspace(0.5, 1, 1000)
    labels = np.where(confidence < 0.7, 1, 0)  # the model says 0 and is wrong below 0.7
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    chosen = choose_threshold(probabilities, labels)
    assert chosen.right >= 0.99
    assert chosen == judge_threshold(chosen.value, probabilities, labels)
    lower = judge_threshold(chosen.value - 0.0006, probabilities, labels)
    assert lower.right < 0.99


def test_a_model_that_is_never_that_good_takes_the_best_threshold_there_is():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], size=500)
    chosen = choose_threshold(probabilities, rng.integers(0, 3, 500))
    assert 0 < chosen.right < 0.99
    assert chosen.answered >= 20 / 500


def test_pictures_and_values_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.png").touch()
    others, said = split_arguments(
        ["a=b.png", "c.png", "model=0123", "--cfg", "job", "format=csv", "explian=true", LONG]
    )
    assert [str(path) for path in said["paths"]] == ["a=b.png", "c.png"]
    assert others == ["model.run='0123'", "--cfg", "job", "format=csv", "explian=true", LONG]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.png", "format=xml"], ["`format`='xml'", "table"]),
        (["x.png", "explian=true", "model=abc"], ["`explian`", "did you mean `explain`"]),
        (["x.png", "threshold=1.5"], ["`threshold`=1.5"]),
        (["x.png", "data.label=[1]"], ["`data.label`=[1]"]),
        (["x.png", "data=csv"], ["`data=csv`: a table is named alone"]),
        ([__file__, "explain=true"], ["`explain`=true: draws what became of pictures"]),
        ([], ["name at least one picture"]),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, arguments, words):
    done = python("-m", "src.predict", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert all(word in line for word in words), line
    assert list(tmp_path.iterdir()) == []
