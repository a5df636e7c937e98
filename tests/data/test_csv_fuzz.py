"""Whatever a file holds: the images that stand in it, or one line that says what is wrong."""

import csv
import gzip
import io
import re
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.csv import Csv
from src.errors import DataError
from tests.data.tables import as_text, digit_rows

TABLE = as_text(digit_rows(12)).encode()
CELLS = [
    "",
    " ",
    "0",
    "255",
    "256",
    "-1",
    "1.0",
    "0.5",
    "1e2",
    "nan",
    "inf",
    "True",
    "a",
    '"',
    "\0",
]
PIECES = [*CELLS, ",", ",", ",", "\n", "\n", "\r", "\r\n", "é", "１", "\ufeff", "0x1", "1_0", "+3"]

PIXELS = {str(value) for value in range(256)}

CSV = settings(max_examples=150, deadline=None)


def check(raw, name="table.csv"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        try:
            pool, class_names = Csv(path=str(path), label=0, max_value=255).read_pool()
        except DataError as error:
            check_fault(str(error), path)
            return
    check_images(gzip.decompress(raw) if name.endswith(".gz") else raw, pool, class_names)


def check_fault(line, path):
    assert str(path) in line
    assert "\n" not in line
    place = re.search(r", row (\d+), column (\d+): ", line)
    if place and path.suffix == ".csv":
        check_is_bad(path.read_bytes().decode("utf-8-sig"), *map(int, place.groups()))


def check_is_bad(text, row, column):
    """See with Python's own reader that no label or pixel is in that row, below a header or not."""
    rows = [cells for cells in csv.reader(io.StringIO(text, newline="")) if "".join(cells).strip()]
    blank = " \r\n\t" if column else "\ufeff \r\n\t"
    near = rows[row - 1 : row + 1]
    cells = [cells[column].strip(blank) if column < len(cells) else "" for cells in near]
    assert any(not cell or (column and cell not in PIXELS) for cell in cells)


def check_images(raw, pool, class_names):
    """Compare with the cells as Python's own reader and `float` see them."""
    lines = raw.decode().lstrip("\ufeff").splitlines(keepends=True)
    rows = [cells for cells in csv.reader(lines) if len(cells) > 1]
    rows = rows[len(rows) - len(pool) :]  # without a header
    pixels = [[float(cell) for cell in cells[1:]] for cells in rows]
    np.testing.assert_array_equal(pool.pixels.reshape(len(pool), -1), np.rint(pixels))
    assert pool.pixels.dtype == np.uint8
    for cells, label in zip(rows, pool.labels, strict=True):
        assert is_name_of(class_names[label], cells[0].strip("\ufeff \r\n"))


def is_name_of(name, label):
    return label == name or float(label) == int(name)


@CSV
@given(st.binary(max_size=200))
def test_any_bytes(raw):
    check(raw)
    check(raw, "table.csv.gz")


@CSV
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text(text):
    check(text.encode())


LABEL = st.sampled_from(["a", "7", "b", "7.0", *CELLS])
PIXEL = st.sampled_from(["0", "8", "127", "255"] * 20 + CELLS)


@CSV
@given(st.sampled_from([1, 2, 4]), st.data())
def test_any_table_of_odd_cells(width, data):
    row = st.tuples(LABEL, *[PIXEL] * width)
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    check("".join(",".join(cells) + "\n" for cells in rows).encode())


mutation = st.tuples(
    st.integers(0, len(TABLE)), st.integers(0, 3), st.sampled_from(PIECES).map(str.encode)
)


@CSV
@given(st.lists(mutation, max_size=4))
def test_a_mutated_table(mutations):
    raw = TABLE
    for place, removed, inserted in mutations:
        raw = raw[:place] + inserted + raw[place + removed :]
    check(raw)


COMPRESSED = gzip.compress(TABLE, mtime=0)


@CSV
@given(st.integers(0, len(COMPRESSED)), st.integers(0, 3), st.binary(max_size=3))
def test_a_mutated_gzip_file(place, removed, inserted):
    check(COMPRESSED[:place] + inserted + COMPRESSED[place + removed :], "table.csv.gz")
