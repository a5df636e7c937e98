"""A table of one's own: one image a row, its label in column 0 and its pixels after it."""

import re
from math import isqrt, prod
from pathlib import Path
from typing import final

import numpy as np

from src.config.types import ImageShape, PositiveInt, Seed, SplitSize, ValidationSize
from src.data.csv_table import Table, read_table
from src.data.source import DataSource, LabelledImages
from src.errors import DataError

WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,18})(\.0*)?")


@final
class Csv(DataSource):
    """Images from a comma-separated file in UTF-8, `.csv` or `.csv.gz`, with or without a header.

    path: the file. Every row is a label (a number, a letter, a word) and H x W pixels, 0..255,
    row by row from the top left; of images with C channels, channel by channel.
    test_path: a file of the same form with the test images; null takes test_size of path instead.
    image_shape: [H, W] or [C, H, W]; null is one square channel.
    validation_size, test_size, split_seed: which of the rows validate and test, the others train.
    """

    file_arguments = ("path", "test_path")

    def __init__(
        self,
        *,
        path: str | None = None,
        test_path: str | None = None,
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
        self._image_shape = image_shape
        self._trained_on: tuple[tuple[str, ...], int] | None = None

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        """Return the images of `path`.

        Raises DataError that names the file, and the line and column where there is one.
        """
        self._require_test_file()
        table = read_table(self._located_path())
        class_names = _class_names(table)
        self._trained_on = class_names, table.pixels.shape[1]
        return self._images(table, class_names), class_names

    def read_test_file(self) -> LabelledImages | None:
        """Return the images of `test_path`; raises DataError as `read_pool` does."""
        if self._test_path is None:
            return None
        if self._trained_on is None:
            self.read_pool()
        assert self._trained_on is not None
        class_names, num_pixels = self._trained_on
        table = read_table(_located(self._test_path, "data.test_path"))
        if table.pixels.shape[1] != num_pixels:
            raise DataError(
                f"{table.path}: {table.pixels.shape[1]} pixel columns, but {self._path} has "
                f"{num_pixels}; both need the same"
            )
        return self._images(table, class_names)

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

    def _images(self, table: Table, class_names: tuple[str, ...]) -> LabelledImages:
        pixels = table.pixels.reshape(-1, *self._shape(table))
        return LabelledImages(pixels=pixels, labels=_indices(table, class_names))

    def _shape(self, table: Table) -> tuple[int, ...]:
        num_pixels = table.pixels.shape[1]
        side = isqrt(num_pixels)
        shape = tuple(self._image_shape or (side, side))
        if prod(shape) == num_pixels:
            return (1, *shape)[-3:]
        if self._image_shape is None:
            raise DataError(
                f"{table.path}: {num_pixels} pixel columns are not a square image; "
                "fix: data.image_shape=[H,W] with H x W of them"
            )
        raise DataError(
            f"data.image_shape={list(shape)}: {prod(shape)} pixels, but {table.path} has "
            f"{num_pixels} pixel columns; both must be the same"
        )


def _located(path: str, key: str) -> Path:
    located = Path(path).expanduser()
    try:
        if located.is_file():
            return located
        what = "a folder" if located.is_dir() else f"no such file, looked in {Path.cwd()}"
    except OSError as error:
        what = str(error)
    raise DataError(f"{key}={path}: {what}; fix: name a .csv or .csv.gz file")


def _class_names(table: Table) -> tuple[str, ...]:
    """Return the distinct labels in the order of their text.

    Where all are whole numbers ("7", "07" and "7.0" are the same) it is their numeric order.
    """
    names = sorted(table.labels.unique())
    if all(WHOLE_NUMBER.fullmatch(name) for name in names):
        names = sorted({_whole_number(name) for name in names}, key=int)
    if len(names) == 1:
        raise DataError(
            f"{table.path}, column 0: the label of all {len(table.labels)} rows is {names[0]!r}; "
            "a classifier needs at least two classes"
        )
    return tuple(names)


def _indices(table: Table, class_names: tuple[str, ...]) -> np.ndarray:
    """Return the class of each row, int64 `[N]`; raises DataError at the first that has none."""
    index_of = {name: index for index, name in enumerate(class_names)}
    numeric = all(WHOLE_NUMBER.fullmatch(name) for name in class_names)
    indices = table.labels.map(
        lambda label: index_of.get(_whole_number(label) if numeric else label, -1)
    ).to_numpy(np.int64)
    if indices.min() < 0:
        row = int(np.argmin(indices))
        shown = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
        raise DataError(
            f"{table.path}, line {table.line(row)}, column 0: the label "
            f"{table.labels.iloc[row]!r} is not among those of the training images ({shown}); "
            "fix: correct or remove the row"
        )
    return indices


def _whole_number(label: str) -> str:
    match = WHOLE_NUMBER.fullmatch(label)
    return str(int(match[1])) if match else label
