"""A table of one's own: an image a row, with its label."""

import re
from decimal import Decimal
from math import isqrt, prod
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from src.config.types import (
    Flag,
    ImageShape,
    Positive,
    PositiveInt,
    Seed,
    SplitSize,
    ValidationSize,
)
from src.data.source import DataSource, LabelledImages
from src.data.table import Table, read_table
from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?")


@final
class Csv(DataSource):
    """Images from a table: separated text in UTF-8, also packed by gzip or zip, or parquet.

    path: the file. Every row is a label (a number, a letter, a word) and H x W pixels, row by row
    from the top left; of images with C channels, channel by channel.
    test_path: a file of the same form with the test images; null takes test_size of path instead.
    label: the column of the labels, its name or number, -1 the last; null finds it.
    max_value: the largest value a pixel may have; null finds it: 1, 16 or 255.
    transpose: whether pixels stand column by column, as EMNIST's.
    image_shape: [H, W] or [C, H, W]; null is one square channel.
    validation_size, test_size, split_seed: which of the rows validate and test, the others train.
    """

    file_arguments = ("path", "test_path")
    own = True

    def __init__(
        self,
        *,
        path: str | None = None,
        test_path: str | None = None,
        label: int | str | None = None,
        max_value: Positive | PositiveInt | None = None,
        transpose: Flag = False,
        image_shape: ImageShape | tuple[PositiveInt, PositiveInt] | None = None,
        validation_size: ValidationSize = 0.2,
        test_size: SplitSize = 0.2,
        split_seed: Seed = 0,
    ) -> None:
        super().__init__(
            validation_size=validation_size,
            test_size=None if test_path else test_size,
            split_seed=split_seed,
        )
        self._path = path
        self._test_path = test_path
        self._label = label
        self._max_value = max_value
        self._transpose = transpose
        self._image_shape = image_shape
        self._trained_on: tuple[tuple[str, ...], int, tuple[float, float]] | None = None
        self._usual: tuple[str | None, int | None] = (None, None)

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        """Return the images of `path`.

        Raises DataError that names the file, and the line and column where there is one.
        """
        self._require_test_file()
        table = self._read(self._located_path())
        if table.labels is None:
            raise DataError(
                f"{table.path}: no label column, {table.values.shape[1]} columns of pixels alone; "
                "fix: name a table with labels, or the column with data.label=; without labels it "
                "can be answered: python -m src.predict TABLE"
            )
        values = table.range(self._max_value)
        class_names = class_names_of(table.labels, table.path)
        self._trained_on = class_names, table.values.shape[1], values
        images = LabelledImages(self._pixels(table, values), class_indices(table, class_names))
        columns = table.columns
        self._usual = columns.name(columns.label), columns.position
        self.reading = {"range": values, "transpose": self._transpose, "label": self._usual}
        self.notes += (f"{columns.said}; {values_said(values)}",)
        return images, class_names

    def read_test_file(self) -> LabelledImages | None:
        """Return the images of `test_path`; raises DataError as `read_pool` does."""
        if self._test_path is None:
            return None
        if self._trained_on is None:
            self.load()
        assert self._trained_on is not None
        class_names, num_pixels, usual = self._trained_on
        table = self._read(_located(self._test_path, "data.test_path"), pixels=num_pixels)
        if table.values.shape[1] != num_pixels or table.labels is None:
            raise DataError(
                f"{table.path}: {table.values.shape[1]} pixel columns, but {self._path} has "
                f"{num_pixels}; both need the same, and labels"
            )
        values = table.range(self._max_value, usual=usual)
        if values != usual:
            self.notes += (f"test images: {values_said(values)}",)
        return LabelledImages(self._pixels(table, values), class_indices(table, class_names))

    def _read(self, path: Path, *, pixels: int | None = None) -> Table:
        asked = prod(self._image_shape) if self._image_shape else None
        return read_table(path, label=self._label, pixels=pixels or asked, usual=self._usual)

    def _require_test_file(self) -> None:
        """Notice before a training, without reading it, that the test file is not there."""
        if self._test_path is None:
            return
        test_path = _located(self._test_path, "data.test_path")
        if test_path.samefile(self._located_path()):
            raise DataError(
                f"data.test_path={self._test_path}: the same file as data.path; test images must "
                "not be trained on; fix: data.test_path=null splits them off data.path"
            )

    def _located_path(self) -> Path:
        if self._path is None:
            raise DataError("data.path: missing, the table to read; fix: data.path=digits.csv")
        return _located(self._path, "data.path")

    def _pixels(self, table: Table, values: tuple[float, float]) -> np.ndarray:
        return as_images(table.scaled(*values), self._shape(table), transpose=self._transpose)

    def _shape(self, table: Table) -> tuple[int, int, int]:
        num_pixels = table.values.shape[1]
        side = isqrt(num_pixels)
        shape = tuple(self._image_shape or (side, side))
        if prod(shape) == num_pixels:
            channels, height, width = (1, *shape)[-3:]
            return channels, height, width
        if self._image_shape is None:
            raise DataError(
                f"{table.path}: {num_pixels} pixel columns are not a square image; "
                "fix: data.image_shape=[H,W] with H x W of them"
            )
        raise DataError(
            f"data.image_shape={list(shape)}: {prod(shape)} pixels, but {table.path} has "
            f"{num_pixels} pixel columns; both must be the same"
        )


def values_said(values: tuple[float, float]) -> str:
    """Return which range pixels have, and that it was not 0..255, for people."""
    scaled = "" if values == (0, 255) else ", scaled to 0..255"
    return f"values {values[0]:g}..{values[1]:g}{scaled}"


def as_images(pixels: np.ndarray, shape: tuple[int, int, int], *, transpose: bool) -> np.ndarray:
    """Return pixels `[N, P]` as images `[N, C, H, W]` of `shape`.

    transpose: whether they stand column by column.
    """
    channels, height, width = shape
    if not transpose:
        return pixels.reshape(-1, channels, height, width)
    columns = pixels.reshape(-1, channels, width, height)
    return np.ascontiguousarray(columns.swapaxes(2, 3))


def _located(path: str, key: str) -> Path:
    located = Path(path).expanduser()
    try:
        if located.is_file():
            return located
        what = "a folder" if located.is_dir() else f"no such file, looked in {Path.cwd()}"
    except OSError as error:
        what = str(error)
    raise DataError(
        f"{key}={path}: {what}; fix: name a table, as digits.csv; for pictures data=folder"
    )


def class_names_of(labels: "pd.Series[str]", where: Path) -> tuple[str, ...]:
    """Return the distinct labels in the order of their text.

    Where all are whole numbers ("7", "07", "7.0" and "7e+00" are the same) it is their numeric
    order.
    """
    names = sorted(labels.unique())
    if all(map(_whole_number, names)):
        names = sorted({_whole_number(name) or name for name in names}, key=int)
    if len(names) == 1:
        raise DataError(
            f"{where}: the label of all {len(labels)} rows is {names[0]!r}; a classifier needs at "
            "least two classes; fix: data.label= names the column of the labels"
        )
    return tuple(names)


def class_indices(table: Table, class_names: tuple[str, ...]) -> np.ndarray:
    """Return the class of each row, int64 `[N]`; raises DataError at the first that has none."""
    assert table.labels is not None
    assert table.columns.label is not None
    index_of = {name: index for index, name in enumerate(class_names)}
    numeric = all(map(_whole_number, class_names))
    indices = table.labels.map(
        lambda label: index_of.get((_whole_number(label) or label) if numeric else label, -1)
    ).to_numpy(np.int64)
    if indices.min() < 0:
        row = int(np.argmin(indices))
        shown = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
        raise DataError(
            f"{table.path}, row {row + 1}, column {table.columns.label}: the label "
            f"{table.labels.iloc[row]!r} is not among those of the training images ({shown}); "
            "fix: correct or remove the row"
        )
    return indices


def _whole_number(label: str) -> str | None:
    """Return a whole number in digits alone, None where the label is none."""
    value = Decimal(label if DECIMAL.fullmatch(label) else "NaN")
    return str(int(value)) if value.is_finite() and value == int(value) else None
