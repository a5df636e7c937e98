"""Tables that are to be answered: read as those of the training were, each row named as in them."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from src.config.settings import Predict, TableReading
from src.errors import UserError
from src.inference.output import answer_all, print_answers, record
from src.pictures.reading import picture_from_array
from tests.conftest import python
from tests.data.tables import as_text, digit_rows, write, write_pictures
from tests.inference.conftest import promote, recognise
from tests.inference.test_kinds import train_into

ROWS = digit_rows(200)
LABELS, PIXELS = ROWS[:, 0], ROWS[:, 1:]
NAMES = [f"p{number}" for number in range(64)]


def text_of(columns, names=()):
    return ",".join(names) + ("\n" if names else "") + as_text(np.asarray(columns))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return the folder of a run on 8 x 8 digits of a table, whose last column is the label."""
    folder = tmp_path_factory.mktemp("tables")
    whole = digit_rows()
    rows = np.column_stack([whole[:, 1:], whole[:, 0]])
    path = write(folder / "train.csv", text_of(rows, [*NAMES, "Ziffer"]))
    arguments = (f"data.path={path}", "data.label=Ziffer", "trainer.max_epochs=15")
    recogniser = train_into(folder, "data=csv", *arguments)
    promote(folder, recogniser.run.id)
    return folder, recogniser


@pytest.fixture(scope="module")
def recogniser(store):
    return store[1]


def answered(path, recogniser, capsys, *, form="csv", **told):
    """Return what is printed of a table, and what is said beside it."""
    how = {"reading": TableReading(**told), "folder": Path(path).parent}
    problems = answer_all([], [Path(path)], recogniser, Predict(format=form), **how)
    if problems:
        raise UserError(*problems)
    return capsys.readouterr()


def share_right(out):
    rows = list(csv.DictReader(StringIO(out)))
    pairs = zip(rows, LABELS, strict=True)
    return np.mean([row["best"] == str(label) for row, label in pairs])


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_table_is_answered_a_row_an_image(recogniser, tmp_path, capsys, with_labels):
    columns = np.column_stack([PIXELS, LABELS]) if with_labels else PIXELS
    path = write(tmp_path / "t.csv", text_of(columns))
    out, err = answered(path, recogniser, capsys)
    answers = list(csv.DictReader(StringIO(out)))
    assert [row["file"] for row in answers[:2]] == [f"{path}, row 1", f"{path}, row 2"]
    assert share_right(out) > 0.9
    assert (f"accuracy {share_right(out):.4f} (95 % interval" in err) == with_labels
    lines = answered(path, recogniser, capsys, form="kaggle").out.splitlines()
    assert lines[:2] == ["ImageId,Label", f"1,{answers[0]['best']}"]
    assert len(lines) == 201


BETWEEN = (
    np.column_stack([PIXELS[:, :9], LABELS, PIXELS[:, 9:]]),
    [*NAMES[:9], "Ziffer", *NAMES[9:]],
)
TURNED = PIXELS.reshape(-1, 8, 8).swapaxes(1, 2).reshape(-1, 64)
LAYOUTS = {
    "as in training": (np.column_stack([PIXELS, LABELS]), [*NAMES, "Ziffer"], {}),
    "no header": (np.column_stack([PIXELS, LABELS]), [], {}),
    "elsewhere, by its name": (*BETWEEN, {}),
    "first, as told": (np.column_stack([LABELS, PIXELS]), [], {"label": 0}),
    "first, by a usual name": (np.column_stack([LABELS, PIXELS]), ["label", *NAMES], {}),
    "an index before": (
        np.column_stack([np.arange(200), PIXELS, LABELS]),
        ["", *NAMES, "Ziffer"],
        {},
    ),
    "an index before, no header": (np.column_stack([np.arange(200), PIXELS, LABELS]), [], {}),
    "transposed": (np.column_stack([TURNED, LABELS]), [], {"transpose": True}),
    "0 to 16": (np.column_stack([np.rint(PIXELS / 255 * 16).astype(int), LABELS]), [], {}),
    "0 to 16, as told": (
        np.column_stack([np.rint(PIXELS / 255 * 16).astype(int), LABELS]),
        [],
        {"max_value": 16},
    ),
}


@pytest.mark.parametrize(("columns", "names", "told"), LAYOUTS.values(), ids=LAYOUTS)
def test_labels_and_values_are_where_they_were_or_are_found(
    recogniser, tmp_path, capsys, columns, names, told
):
    out, err = answered(
        write(tmp_path / "t.csv", text_of(columns, names)), recogniser, capsys, **told
    )
    assert share_right(out) > 0.9
    assert f"accuracy {share_right(out):.4f} (95 % interval" in err


def test_values_far_below_those_of_the_training_are_of_another_range_and_it_is_said(
    recogniser, tmp_path, capsys
):
    rows = [[*pixels, label] for label, *pixels in (ROWS / [1, *[255] * 64]).round(4).tolist()]
    path = write(tmp_path / "t.csv", "\n".join(",".join(map(str, row)) for row in rows))
    out, err = answered(path, recogniser, capsys)
    assert share_right(out) > 0.9
    assert "values 0..1, scaled to 0..255, not 0..255 as in training" in err
    dark = np.column_stack([PIXELS // 8, LABELS])
    err = answered(write(tmp_path / "d.csv", text_of(dark)), recogniser, capsys).err
    assert "values 0..255;" in err.replace("\n", ";")


def test_rows_are_called_as_the_table_calls_them(recogniser, tmp_path, capsys):
    ids = np.random.default_rng(0).permutation(200) + 28_000
    path = write(tmp_path / "t.csv", text_of(np.column_stack([ids, PIXELS]), ["id", *NAMES]))
    lines = answered(path, recogniser, capsys, form="kaggle").out.splitlines()
    assert lines[0] == "id,label"
    assert [line.split(",")[0] for line in lines[1:]] == [str(number) for number in ids]
    said = json.loads(answered(path, recogniser, capsys, form="json").out)
    assert [answer["id"] for answer in said["answers"]] == [str(number) for number in ids]


def test_a_class_with_a_comma_in_its_name_is_one_cell(recogniser, capsys):
    answer = recognise(recogniser, picture_from_array(PIXELS[0].reshape(8, 8).astype(np.uint8)))
    values = record(answer, recogniser, file="") | {"best": "zero, or none"}
    print_answers([values], recogniser, "kaggle", width=4)
    assert list(csv.reader(StringIO(capsys.readouterr().out)))[1] == ["1", "zero, or none"]


def test_the_cure_for_a_label_that_may_be_the_last_works_as_it_is_said(
    recogniser, tmp_path, capsys
):
    """By a model that was not trained on a table; a digit's first pixel is nearly always 0."""
    other = replace(recogniser, calibration=replace(recogniser.calibration, table=None))
    path = write(tmp_path / "bare.csv", text_of(np.column_stack([PIXELS, LABELS])))
    with pytest.raises(UserError, match=r"fix: data.label=-1 takes the last column"):
        answered(path, other, capsys)
    out, err = answered(path, other, capsys, label=-1)
    assert "labels in column 64 (as asked)" in err
    assert share_right(out) > 0.9


def test_several_sources_make_one_document_and_every_fault_is_told(store, tmp_path):
    folder, _ = store
    pictures = write_pictures(tmp_path / "photos", count=3)
    broken = tmp_path / "photos" / "0" / "broken.png"
    broken.write_bytes(b"no picture")
    good = write(tmp_path / "good.csv", text_of(PIXELS[:2]))
    other = write(tmp_path / "other.csv", text_of(PIXELS[:, :63]))
    arguments = (good, pictures, other, good)
    done = python("-m", "src.predict", *arguments, "format=json", cwd=folder)
    assert done.returncode == 2
    files = [Path(answer["file"]).name for answer in json.loads(done.stdout)["answers"]]
    assert files == ["0.png", "1.png", "2.png", *["good.csv, row 1", "good.csv, row 2"] * 2]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert ["other.csv" in errors[0], "broken.png" in errors[1], len(errors)] == [True, True, 2]
    told = ("format=csv", "data.transpose=false", "data.max_value=255")
    done = python("-m", "src.predict", *arguments, *told, cwd=folder)
    assert len(list(csv.DictReader(StringIO(done.stdout)))) == 7
    assert done.stdout.count("runner_up_probability") == 1
    done = python("-m", "src.predict", good, "missing.png", "format=csv", cwd=folder)
    assert len(list(csv.DictReader(StringIO(done.stdout)))) == 2
    assert "error: missing.png: there is no such file" in done.stderr
