"""Tables as people bring them: what their columns and values are is found, and said."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from src.data.csv import Csv
from src.errors import DataError
from tests.data.tables import as_text, digit_rows, write

ROWS = digit_rows(400)
LABELS, PIXELS = ROWS[:, 0], ROWS[:, 1:]
NAMES = [f"pixel{number}" for number in range(64)]


def table(columns, header=None, *, separator=","):
    lines = [separator.join(map(str, row)) for row in columns]
    return "\n".join([separator.join(header), *lines] if header else lines) + "\n"


def read(path, **values):
    source = Csv(path=path, **values)
    images, names = source.read_pool()
    return images, names, source.notes


def require_digits(images, names, *, within=0):
    assert names == tuple("0123456789")
    np.testing.assert_array_equal(images.labels, LABELS)
    assert np.abs(images.pixels.reshape(-1, 64).astype(int) - PIXELS).max() <= within


SIXTEENTHS = np.rint(PIXELS / 255 * 16).astype(int)
RANGES = {
    "0..255": (PIXELS, "values 0..255", 0),
    "0..16": (SIXTEENTHS, "values 0..16, scaled", 0),
    "0..1": ((PIXELS / 255).round(4), "values 0..1, scaled", 0),
    "-1..1": ((PIXELS / 127.5 - 1).round(4), "values -1..1, scaled", 0),
    "0 and 1": ((PIXELS > 96).astype(int), "values 0..1, scaled", 160),
}


@pytest.mark.parametrize(("pixels", "said", "within"), RANGES.values(), ids=RANGES)
def test_the_range_is_found_scaled_and_said(tmp_path, pixels, said, within):
    rows = [[label, *values] for label, values in zip(LABELS, pixels, strict=True)]
    images, names, [note] = read(write(tmp_path / "t.csv", table(rows, ["label", *NAMES])))
    require_digits(images, names, within=within)
    assert images.pixels.max() == 255
    assert said in note


def test_the_largest_value_can_be_told(tmp_path):
    path = write(tmp_path / "t.csv", table(np.column_stack([LABELS, SIXTEENTHS])))
    assert read(path, max_value=32)[0].pixels.max() == 128
    with pytest.raises(DataError, match=r"row 1, column 4: the pixel 13 is out of range; .*0\.\.8"):
        read(path, max_value=8)


BETWEEN = np.column_stack([PIXELS[:, :10], LABELS, PIXELS[:, 10:]])
LAYOUTS = {
    "last, named": (np.column_stack([PIXELS, LABELS]), [*NAMES, "class"], "column 64"),
    "between, named": (BETWEEN, [*NAMES[:10], "Target", *NAMES[10:]], "column 10"),
    "an index before": (
        np.column_stack([np.arange(400), LABELS, PIXELS]),
        ["", "label", *NAMES],
        "column 1 (named 'label'), an index in column 0 left out",
    ),
    "an index before, no header": (
        np.column_stack([np.arange(400), LABELS, PIXELS]),
        None,
        "column 1 (the first), an index in column 0 left out",
    ),
    "last of words": (
        [[*row, f"{label}" if label else "zero"] for label, *row in ROWS.tolist()],
        None,
        "column 64 (the last, of words)",
    ),
}


@pytest.mark.parametrize(("columns", "header", "said"), LAYOUTS.values(), ids=LAYOUTS)
def test_the_column_of_the_labels_is_found_and_said(tmp_path, columns, header, said):
    images, names, [note] = read(write(tmp_path / "t.csv", table(columns, header)))
    assert f"labels in {said}" in note
    np.testing.assert_array_equal(images.pixels.reshape(-1, 64), PIXELS)
    assert [names[k].replace("zero", "0") for k in images.labels] == [str(k) for k in LABELS]


def test_a_last_column_that_looks_like_the_label_is_told_and_can_be_named(tmp_path):
    path = write(tmp_path / "t.csv", table(np.column_stack([SIXTEENTHS, LABELS])))
    with pytest.raises(DataError, match=r"column 64 looks like the label; fix: data.label=-1"):
        read(path)
    require_digits(*read(path, label=-1)[:2])
    with pytest.raises(DataError, match=r"data.label=digit: .* no such column"):
        read(path, label="digit")


def test_a_table_without_labels_is_told_apart(tmp_path):
    path = write(tmp_path / "t.csv", table(PIXELS, NAMES))
    with pytest.raises(DataError, match=r"no label column.*python -m src.predict"):
        read(path)


def test_columns_can_be_transposed(tmp_path):
    turned = PIXELS.reshape(-1, 8, 8).swapaxes(1, 2).reshape(-1, 64)
    path = write(tmp_path / "t.csv", table(np.column_stack([LABELS, turned])))
    require_digits(*read(path, transpose=True)[:2])


def test_a_packed_file_or_parquet_is_known_by_its_first_bytes(tmp_path):
    text = as_text(ROWS).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.csv", text)
    frame = pd.DataFrame(ROWS, columns=["label", *NAMES])
    for name, content in {
        "zip.csv": packed.getvalue(),
        "parquet.csv": frame.to_parquet(),
        "gzip.csv": (tmp_path / "x.csv.gz", write(tmp_path / "x.csv.gz", text))[0].read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(content)
        require_digits(*read(str(tmp_path / name))[:2])


def test_other_separators_and_decimal_commas(tmp_path):
    shares = [[label, *(f"{p / 255:.4f}" for p in row)] for label, *row in ROWS.tolist()]
    for separator in (";", "\t"):
        text = table(shares, separator=separator).replace(".", ",")
        require_digits(*read(write(tmp_path / "t.csv", text))[:2])
    require_digits(*read(write(tmp_path / "t.csv", table(ROWS, separator=" ")))[:2])


def test_three_rows_a_class_train_and_what_is_lacking_is_said(tmp_path):
    few = np.concatenate([np.flatnonzero(digit == LABELS)[:3] for digit in range(10)])
    path = write(tmp_path / "t.csv", table(ROWS[few]))
    for seed in range(20):
        dataset = Csv(path=path, split_seed=seed).load()
        assert np.bincount(dataset.train.labels).min() >= 1
        missing = set(range(10)) - set(dataset.validation.labels.tolist())
        assert any("no validation image of class" in note for note in dataset.notes) == bool(
            missing
        )


def test_copies_stay_in_one_split_and_every_class_has_its_share(tmp_path):
    path = write(tmp_path / "t.csv", table(np.repeat(ROWS, 3, axis=0)))
    source = Csv(path=path)
    dataset, test = source.load(), source.load_test()
    splits = [
        {image.tobytes() for image in images.pixels}
        for images in (dataset.train, dataset.validation, test)
    ]
    assert sum(map(len, splits)) == 400
    assert any(note.startswith("800 of 1,200 images are copies") for note in dataset.notes)
    counts = np.bincount(dataset.validation.labels, minlength=10)
    np.testing.assert_allclose(counts, np.bincount(LABELS) * 0.6, atol=3)
