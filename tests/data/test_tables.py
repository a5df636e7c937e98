"""Tables as people bring them: what their columns and values are is found, and said."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.data.csv import Csv
from src.data.table import read_table
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


SHARES = (PIXELS / 255).round(4)
SHUFFLED = np.random.default_rng(0).permutation(400) + 28_000


def shares(text=lambda share: f"{share:.4f}"):
    return [[text(share) for share in row] for row in SHARES]


@pytest.mark.parametrize("label", ["label", "Ziffer"])
@pytest.mark.parametrize("name", ["1.{}", "{}"])
def test_numbers_beside_the_name_of_the_label_are_names_too(tmp_path, label, name):
    names = [name.format(number) for number in range(2, 66)]
    path = write(tmp_path / "t.csv", table(ROWS, [label, *names]))
    require_digits(*read(path)[:2])


def test_a_class_that_is_called_as_a_column_is_no_header(tmp_path):
    rows = [["digit" if label else "letter", *row] for label, *row in ROWS.tolist()]
    images, names, _ = read(write(tmp_path / "t.csv", table(rows[1:])))
    assert (len(images), names) == (399, ("digit", "letter"))


@pytest.mark.parametrize("name", ["", "id", "ImageId"])
def test_an_index_need_not_count(tmp_path, name):
    rows = np.column_stack([SHUFFLED, LABELS, PIXELS])
    images, names, [note] = read(write(tmp_path / "t.csv", table(rows, [name, "label", *NAMES])))
    require_digits(images, names)
    assert "an index in column 0 left out" in note
    without = write(tmp_path / "u.csv", table(np.column_stack([SHUFFLED, PIXELS]), [name, *NAMES]))
    with pytest.raises(DataError, match="no label column, 64 columns of pixels alone"):
        read(without)


def test_who_wrote_a_digit_is_no_index(tmp_path):
    rows = np.column_stack([LABELS, PIXELS])
    require_digits(*read(write(tmp_path / "t.csv", table(rows, ["id", *NAMES])))[:2])


def test_separators_are_told_by_the_numbers_between_them(tmp_path):
    header = ["the digit label", *(f"p {number}" for number in range(64))]
    require_digits(*read(write(tmp_path / "t.csv", table(ROWS, header)))[:2])
    np.savetxt(tmp_path / "saved.txt", ROWS)
    require_digits(*read(str(tmp_path / "saved.txt"))[:2])
    commas = shares(lambda share: f"{share:.4f}".replace(".", ","))
    alone = read_table(Path(write(tmp_path / "u.csv", table(commas, separator=";"))))
    assert alone.labels is None
    np.testing.assert_allclose(alone.values, SHARES)


def test_with_decimal_commas_the_bad_cell_is_named(tmp_path):
    commas = shares(lambda share: f"{share:.4f}".replace(".", ","))
    commas[7][3] = "x"
    path = write(tmp_path / "t.csv", table(commas, separator=";"))
    with pytest.raises(DataError, match=r"row 8, column 3: the pixel 'x' is not a number"):
        read(path)


def test_one_odd_value_makes_no_other_range(tmp_path):
    values = np.column_stack([LABELS, SHARES])
    values[5, 9] = 1.001  # less than half a grey value too much
    images, names, [note] = read(write(tmp_path / "hair.csv", table(values.tolist())))
    require_digits(images, names, within=255)
    assert np.abs(images.pixels.reshape(-1, 64).astype(int) - PIXELS).max(axis=1).sum() == 255
    assert "values 0..1, scaled" in note
    values[5, 9] = 1.5
    path = write(tmp_path / "odd.csv", table(values.tolist()))
    with pytest.raises(DataError, match=r"row 6, column 9: the pixel 1.5 .* within 0..1; fix: cor"):
        read(path)
    assert read(path, max_value=255)[0].pixels.max() == 2


def test_a_table_of_standard_scores_is_to_be_scaled_first(tmp_path):
    scores = (PIXELS - PIXELS.mean()) / PIXELS.std()
    path = write(tmp_path / "t.csv", table(np.column_stack([LABELS, scores]).tolist()))
    with pytest.raises(DataError, match=r"within 0..255; fix: bring the values to 0..1, -1..1, "):
        read(path)


@pytest.mark.parametrize("labels", [["a", None, "b", "c"], [1.0, float("nan"), 2.0, 3.0]])
@pytest.mark.parametrize("name", ["label", "what"])
def test_a_missing_label_in_parquet_is_told(tmp_path, labels, name):
    frame = pd.DataFrame(PIXELS[:4], columns=NAMES)
    frame.insert(0, name, labels)
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet, row 2, column 0: the label is missing"):
        read(str(tmp_path / "t.parquet"))


def test_a_text_that_begins_as_a_packed_file_is_text(tmp_path):
    rows = [[f"PK{label}", *row] for label, *row in ROWS.tolist()]
    assert read(write(tmp_path / "t.csv", table(rows)))[1] == tuple(f"PK{n}" for n in range(10))


def test_test_images_are_read_in_their_own_range_and_copies_among_them_are_said(tmp_path):
    path = write(tmp_path / "train.csv", table(ROWS[:300]))
    few = [[label, *row] for label, row in zip(LABELS[290:], shares()[290:], strict=True)]
    source = Csv(path=path, test_path=write(tmp_path / "test.csv", table(few)))
    assert not any("test images" in note for note in source.load().notes)
    source.check_test()
    np.testing.assert_array_equal(source.load_test().pixels.reshape(-1, 64), PIXELS[290:])
    scale, copies = source.load().notes[-2:]
    assert scale == "test images: values 0..1, scaled to 0..255"
    assert copies.startswith("10 of 110 test images are trained or validated on too")
