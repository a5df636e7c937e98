"""A table of one's own: one image a row, its label in column 0 and its pixels after it."""

from math import isqrt, prod
from pathlib import Path
from typing import final

from src.config.types import ImageShape, PositiveInt, Seed, SplitSize
from src.data.csv_labels import Classes
from src.data.csv_table import Table, read_table
from src.data.source import DataSource, LabelledImages
from src.errors import DataError


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
        validation_size: SplitSize = 0.2,
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

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        """Return the images of `path`.

        Raises DataError that names the file, and the line and column where there is one.
        """
        self._require_test_file()
        table, classes = self._read_pool_table()
        return self._images(table, classes), classes.names

    def read_test_file(self) -> LabelledImages | None:
        """Return the images of `test_path`; raises DataError as `read_pool` does."""
        if self._test_path is None:
            return None
        pool, classes = self._read_pool_table()
        test = read_table(_located(self._test_path, "data.test_path"))
        if test.num_pixels != pool.num_pixels:
            raise DataError(
                f"{test.path}: {test.num_pixels} pixel columns, but {pool.path} has "
                f"{pool.num_pixels}; both need the same"
            )
        return self._images(test, classes)

    def _require_test_file(self) -> None:
        """Notice before a training, without reading it, that the test file is not there."""
        if self._test_path is None:
            return
        test_path = _located(self._test_path, "data.test_path")
        if test_path.samefile(self._located_path()):
            raise DataError(
                f"data.test_path={self._test_path}: the same file as data.path; test images must "
                "not be trained on; cure: data.test_path=null splits them off data.path"
            )

    def _located_path(self) -> Path:
        if self._path is None:
            raise DataError("data.path: missing, the table to read; cure: data.path=digits.csv")
        return _located(self._path, "data.path")

    def _read_pool_table(self) -> tuple[Table, Classes]:
        table = read_table(self._located_path())
        classes = Classes.of(table)
        if len(classes.names) < 2:
            raise DataError(
                f"{table.path}, column 0: the label of all {len(table.pixels)} rows is "
                f"{classes.names[0]!r}; a classifier needs at least two classes"
            )
        return table, classes

    def _images(self, table: Table, classes: Classes) -> LabelledImages:
        shape = self._shape(table)
        return LabelledImages(
            pixels=table.pixels.reshape(-1, *shape),
            labels=classes.indices(table),
        )

    def _shape(self, table: Table) -> tuple[int, ...]:
        if self._image_shape is None:
            side = isqrt(table.num_pixels)
            if side * side != table.num_pixels:
                raise DataError(
                    f"{table.path}: {table.num_pixels} pixel columns are not a square image; "
                    "cure: data.image_shape=[H,W] with H x W of them"
                )
            return 1, side, side
        if prod(self._image_shape) != table.num_pixels:
            raise DataError(
                f"data.image_shape={list(self._image_shape)}: {prod(self._image_shape)} pixels, "
                f"but {table.path} has {table.num_pixels} pixel columns; both must be the same"
            )
        return (1, *self._image_shape)[-3:]


def _located(path: str, key: str) -> Path:
    located = Path(path).expanduser()
    try:
        is_file, is_directory = located.is_file(), located.is_dir()
    except (OSError, ValueError) as error:
        raise DataError(f"{key}={path}: {error}; cure: name a .csv or .csv.gz file") from error
    if is_directory:
        raise DataError(f"{key}={path}: a folder; cure: name a .csv or .csv.gz file in it")
    if not is_file:
        raise DataError(f"{key}={path}: no such file, looked in {Path.cwd()}; cure: check the path")
    return located
