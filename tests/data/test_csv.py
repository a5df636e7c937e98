import gzip
import warnings

import numpy as np
import pytest

from src.data.csv import Csv
from src.errors import DataError
from tests.data.tables import as_text, digit_rows, write

HEADER = "label," + ",".join(f"p{column}" for column in range(64)) + "\n"
NUMBERED_HEADER = "label," + ",".join(map(str, range(64))) + "\n"
ALL_NUMBERS_HEADER = ",".join(map(str, range(65))) + "\n"
SMALL = "a,0,1,2,3\nb,4,5,6,7\na,8,9,10,11\nb,12,13,14,15\n"


def read(path, **values):
    return Csv(path=path, **{"max_value": 255, **values}).read_pool()


@pytest.mark.parametrize("header", ["", HEADER, NUMBERED_HEADER, ALL_NUMBERS_HEADER, "\n" + HEADER])
@pytest.mark.parametrize("name", ["digits.csv", "digits.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_row_is_read_as_it_was_written(tmp_path, header, name, end):
    rows = digit_rows(200)
    text = (header + as_text(rows)).replace("\n", end)
    pool, class_names = read(write(tmp_path / name, text))
    np.testing.assert_array_equal(pool.pixels, rows[:, 1:].reshape(-1, 1, 8, 8))
    np.testing.assert_array_equal(pool.labels, rows[:, 0])
    assert class_names == tuple("0123456789")


def test_a_table_read_in_parts_is_the_table_read_at_once(tmp_path, monkeypatch):
    path = write(tmp_path / "digits.csv", HEADER + as_text(digit_rows(200)))
    at_once, _ = read(path)
    monkeypatch.setattr("src.data.table.CELLS_AT_ONCE", 65 * 7)
    in_parts, _ = read(path)
    np.testing.assert_array_equal(at_once.pixels, in_parts.pixels)
    np.testing.assert_array_equal(at_once.labels, in_parts.labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",", ", "),
        lambda text: text.replace(",0,", ",0.0,"),
        lambda text: text.replace(",0,", ',"0",'),
    ],
    ids=["byte order mark", "no last newline", "blank lines", "spaces", "floats", "quotes"],
)
def test_spellings_of_the_same_table(tmp_path, change):
    rows = digit_rows(100)
    pool, _ = read(write(tmp_path / "digits.csv", change(as_text(rows))))
    np.testing.assert_array_equal(pool.pixels.reshape(100, 64), rows[:, 1:])
    np.testing.assert_array_equal(pool.labels, rows[:, 0])


@pytest.mark.parametrize(
    ("labels", "class_names"),
    [
        (["10", "9", "10", "9"], ("9", "10")),
        (["1.0", "0.0", "1", "-1"], ("-1", "0", "1")),
        (["b", "a", "B", "a"], ("B", "a", "b")),
        (["cat", "dog", "cat", " dog "], ("cat", "dog")),
        (["NA", "nan", "None", "True"], ("NA", "None", "True", "nan")),
        (["7", "x", "10", "7"], ("10", "7", "x")),
        (["é", "ß", '"a,b"', "字"], ("a,b", "ß", "é", "字")),
    ],
)
def test_any_labels(tmp_path, labels, class_names):
    text = "".join(f"{label},0,1,2,3\n" for label in labels)
    pool, names = read(write(tmp_path / "t.csv", text))
    assert names == class_names
    read_back = [names[index] for index in pool.labels]
    assert read_back == [label.strip(' "').removesuffix(".0") for label in labels]


@pytest.mark.parametrize(
    ("image_shape", "expected"),
    [(None, (1, 2, 2)), ((1, 4), (1, 1, 4)), ([4, 1], (1, 4, 1)), ((4, 1, 1), (4, 1, 1))],
)
def test_image_shape(tmp_path, image_shape, expected):
    pool, _ = read(write(tmp_path / "t.csv", SMALL), image_shape=image_shape)
    assert pool.pixels.shape[1:] == expected
    assert pool.pixels[1].ravel().tolist() == [4, 5, 6, 7]


FAULTS = {
    "empty": ("", "{path}: empty"),
    "blank": ("\n \n\n", "{path}: empty"),
    "header only": ("label,p0,p1,p2,p3\n", "{path}: a header and no rows"),
    "one column": ("7\n8\n", "{path}: one column only"),
    "too long": (
        SMALL + "a,1,2,3,4,5\n",
        "{path}: not a table of rows alike (Expected 5",
    ),
    "too short": (SMALL + "a,1,2\n", "{path}, row 5, column 3: the pixel is missing"),
    "no number": (SMALL + "a,1,x,3,4\n", "{path}, row 5, column 2: the pixel 'x' is not a number"),
    "first line": ("a,1,x,3,4\n" + SMALL, "{path}, row 1, column 2: the pixel 'x'"),
    "after a header": (
        "label,p0,p1,p2,p3\n" + SMALL + "a,1,2,3,x\n",
        "{path}, row 5, column 4: the pixel 'x'",
    ),
    "after blank lines": ("\n\n" + SMALL + "\na,1,2,3,x\n", "{path}, row 5, column 4:"),
    "after two lines in a cell": (
        '"two\nlines",1,2,3,4\na,1,2,3,x\n',
        "{path}, row 2, column 4: the pixel 'x'",
    ),
    "blank label after two lines": (
        'a,1,2,3,"4\n"\n" ",1,2,3,x\n',
        "{path}, row 2, column 0: the label is missing",
    ),
    "quoted nothing": (SMALL + '""\na,1,2,3,x\n', "{path}, row 5, column 0: the label is missing"),
    "two faults in a row": (SMALL + "a,1,999,x,4\n", "{path}, row 5, column 3: the pixel 'x'"),
    "a column of true": ("a,1,True,3,4\nb,1,True,3,4\n", "{path}, row 1, column 2: the pixel"),
    "a header too short": ("l,p,p,p\n" + SMALL, "{path}: not a table of rows alike"),
    "a header too long": ("l,p,p,p,p,p\n" + SMALL, "{path}, row 1, column 5: the pixel is missing"),
    "true": (SMALL.replace("3\n", "True\n"), "{path}, row 1, column 4: the pixel 'True'"),
    "nan": (SMALL + "a,1,nan,3,4\n", "{path}, row 5, column 2: the pixel 'nan' is not a number"),
    "inf": (SMALL + "a,1,inf,3,4\n", "{path}, row 5, column 2: the pixel 'inf' is not a number"),
    "256": (SMALL + "a,1,2,256,4\n", "{path}, row 5, column 3: the pixel 256 is out of range"),
    "-1": (
        SMALL + "a,-1,2,3,4\n",
        "{path}, row 5, column 1: the pixel -1 is out of range",
    ),
    "huge": (SMALL + f"a,{2**64},2,3,4\n", "{path}, row 5, column 1: the pixel 1.84467e+19 is out"),
    "no label": (SMALL + ",1,2,3,4\n", "{path}, row 5, column 0: the label is missing"),
    "blank label": (SMALL + "  ,1,2,3,4\n", "{path}, row 5, column 0: the label is missing"),
    "no pixel": (SMALL + "a,1,,3,4\n", "{path}, row 5, column 2: the pixel is missing"),
    "no last pixel": (SMALL + "a,1,2,3,\n", "{path}, row 5, column 4: the pixel is missing"),
    "one class": ("a,1,2,3,4\na,1,2,3,4\n", "{path}: the label of all 2 rows is 'a'"),
    "no square": ("a,1,2,3\nb,1,2,3\n", "{path}: 3 pixel columns are not a square image"),
    "open quote": (SMALL + 'a,1,"2,3,4\n', "{path}: not a table of rows alike"),
    "open quote at the end": (SMALL + 'a,1,2,3,"4\n', "{path}: not a table of rows alike"),
    "huge cell": ("a," + "9" * 200_000 + ",1,2,3\n" + SMALL, "{path}, row 1, column 1: the pixel"),
    "latin 1": (SMALL.encode() + b"\xe9,1,2,3,4\n", "{path}: not UTF-8 text"),
    "utf 16": (SMALL.encode("utf-16"), "{path}: not UTF-8 text"),
}


@pytest.mark.parametrize(("content", "message"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", ["bad.csv", "bad.csv.gz"])
def test_a_fault_is_named_with_its_place(tmp_path, content, message, name):
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(message.format(path=path))
    assert "\n" not in str(caught.value)


def test_a_fault_deep_in_a_table_of_several_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("src.data.table.CELLS_AT_ONCE", 65 * 50)
    lines = as_text(digit_rows(400)).splitlines()
    lines[333] = lines[333] + ",1"
    path = write(tmp_path / "digits.csv", "\n".join(lines))
    with pytest.raises(DataError, match="Expected 65 fields in line 334, saw 66"):
        read(path)


def test_no_path():
    with pytest.raises(DataError, match=r"data.path: missing.*fix: data.path=digits.csv"):
        Csv().load()


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"data.path=.*none.csv: no such file"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match=r"data.path=.*: a folder"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:200] + bytes(100) + raw[300:],
        lambda raw: raw[:-6] + b"\0" * 6,
    ],
    ids=["cut", "overwritten", "wrong checksum"],
)
def test_a_damaged_gzip_file(tmp_path, damage):
    raw = gzip.compress(as_text(digit_rows(300)).encode())
    (tmp_path / "digits.csv.gz").write_bytes(damage(raw))
    with pytest.raises(DataError, match=r"digits.csv.gz: damaged"):
        read(str(tmp_path / "digits.csv.gz"))


def test_an_image_shape_that_does_not_fit(tmp_path):
    path = write(tmp_path / "t.csv", SMALL)
    with pytest.raises(DataError, match=r"data.image_shape=\[2, 3\]: 6 pixels, but .* has 4"):
        read(path, image_shape=[2, 3])


def test_own_test_file_is_the_test_split_and_the_table_is_not_divided_by_it(tmp_path):
    rows = digit_rows(300)
    path = write(tmp_path / "train.csv", as_text(rows[:200]))
    test_path = write(tmp_path / "test.csv.gz", HEADER + as_text(rows[200:]))
    source = Csv(path=path, test_path=test_path, validation_size=50, test_size=0.9)
    dataset, test = source.load(), source.load_test()
    assert (len(dataset.train), len(dataset.validation)) == (150, 50)
    np.testing.assert_array_equal(test.labels, rows[200:, 0])
    np.testing.assert_array_equal(test.pixels.reshape(100, 64), rows[200:, 1:])


def test_each_file_is_read_once(tmp_path):
    rows = digit_rows(300)
    path, test_path = tmp_path / "train.csv", tmp_path / "test.csv"
    write(path, as_text(rows[:200]))
    write(test_path, as_text(rows[200:]))
    source = Csv(path=str(path), test_path=str(test_path), validation_size=50)
    source.load()
    path.write_text("not to be read again")
    source.check_test()
    test_path.unlink()
    np.testing.assert_array_equal(source.load_test().labels, rows[200:, 0])


def test_test_images_split_off_are_kept_when_the_table_is_read(tmp_path):
    path = write(tmp_path / "digits.csv", as_text(digit_rows(200)))
    expected = Csv(path=path).load_test()
    source = Csv(path=path)
    source.load()
    (tmp_path / "digits.csv").unlink()
    np.testing.assert_array_equal(source.load_test().pixels, expected.pixels)
    np.testing.assert_array_equal(source.load_test().labels, expected.labels)


def test_labels_of_the_test_file_have_the_numbers_of_the_training_classes(tmp_path):
    path = write(tmp_path / "train.csv", SMALL + "5,0,0,0,0\n")
    test_path = write(tmp_path / "test.csv", "b,0,0,0,0\n")
    source = Csv(path=path, test_path=test_path, validation_size=1)
    assert source.load_test().labels.tolist() == [2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,1,2,3,4\nc,1,2,3,4\n", r"test.csv, row 2, column 0: the label 'c' is not among"),
        ("l,p,p,p,p\nb,1,2,3,4\n1.0,1,2,3,4\n", r"test.csv, row 2, column 0: the label '1.0'"),
        ("\ufeff\ufeffc,1,2,3,4\n", r"test.csv, row 1, column 0: the label 'c' is not among"),
        ("a,1,2,3\n", r"test.csv: 3 pixel columns, but .*train.csv has 4"),
        ("a,1,2,3,x\nb,1,2,3,4\n", r"test.csv, row 1, column 4: the pixel 'x'"),
    ],
)
def test_a_test_file_that_does_not_fit(tmp_path, content, message):
    path = write(tmp_path / "train.csv", SMALL)
    source = Csv(path=path, test_path=write(tmp_path / "test.csv", content), validation_size=1)
    source.load()
    with pytest.raises(DataError, match=message):
        source.load_test()


def test_a_missing_test_file_is_noticed_before_training(tmp_path):
    path = write(tmp_path / "train.csv", SMALL)
    with pytest.raises(DataError, match=r"data.test_path=none.csv: no such file"):
        Csv(path=path, test_path="none.csv").load()
    with pytest.raises(DataError, match=r"the same file as data.path"):
        Csv(path=path, test_path=str(tmp_path / "." / "train.csv")).load()


def test_reading_warns_of_nothing(tmp_path):
    path = write(tmp_path / "digits.csv", as_text(digit_rows(300)).replace(",0,", ",nan,", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError):
            read(path)
