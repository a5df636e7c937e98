"""Pictures of one's own: a folder of folders, one a class, or a flat one with labels in a table."""

import csv
import multiprocessing
import platform
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import final

import numpy as np
from rich.progress import track

from src.config.types import Flag, PositiveInt, Seed, SplitSize, ValidationSize
from src.data.source import DataSource, LabelledImages
from src.errors import DataError
from src.pictures.form import mnist_form
from src.pictures.preparation import Prepared, prepare
from src.pictures.reading import (
    SUFFIXES,
    Picture,
    PictureError,
    picture_from_array,
    pictures_in,
    read_picture,
)
from src.process.streams import screen

SIDE = 28
SMALL = 64
"""Pixels a side up to which pictures of one size are taken for images as they are."""
SHOWN = 5


@final
class Folder(DataSource):
    """Images from picture files of any format, grey.

    path: the folder; the names of its sub-folders are the classes. Grey pictures that all have one
    size, at most 64 pixels a side, are taken as they are. Of others the ink is found, and they are
    cropped, scaled and centred as MNIST's were.
    classes: a CSV of the pictures' file names and labels, for a folder without sub-folders.
    size: pixels a side; null is 28, or what the pictures have.
    skip_unreadable: whether pictures that cannot be read are left out instead of being an error.
    validation_size, test_size, split_seed: which of them validate and test, the others train.
    """

    own = True

    def __init__(
        self,
        *,
        path: str | None = None,
        classes: str | None = None,
        size: PositiveInt | None = None,
        skip_unreadable: Flag = False,
        validation_size: ValidationSize = 0.2,
        test_size: SplitSize = 0.2,
        split_seed: Seed = 0,
    ) -> None:
        super().__init__(
            validation_size=validation_size, test_size=test_size, split_seed=split_seed
        )
        self._path = path
        self._classes = classes
        self._size = size
        self._skip = skip_unreadable

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        """Return the pictures in order of their names; raises DataError naming what is wrong."""
        files = self._files()
        images: list[Prepared] = []
        read: list[str] = []
        unreadable: list[str] = []
        for file, label in _with_progress(files):
            try:
                picture = read_picture(file)
            except PictureError as error:
                unreadable.append(str(error))
                continue
            read.append(label)
            if self.form is None and not self._is_image(picture, images[:1]):
                side = self._size or SIDE
                self.form = mnist_form(side, side)
                images = [prepare(picture_from_array(i.pixels), self.form) for i in images]
            images.append(self._prepared(picture))
        if not images or (unreadable and not self._skip):
            raise self._unreadable(unreadable, len(files))
        names = tuple(sorted(set(read)))
        pixels = np.stack([image.pixels for image in images])[:, np.newaxis]
        left_out = f", {len(unreadable)} unreadable left out" if unreadable else ""
        how = "as they are" if self.form is None else "ink found, scaled and centred"
        size = " x ".join(map(str, pixels.shape[2:]))
        self.notes += (f"{len(images):,} pictures{left_out}, {size} pixels, {how}",)
        empty = sum(image.problem == "no ink" for image in images)
        if empty:
            self.notes += (f"{empty:,} pictures have no ink to be seen; look at them",)
        labels = np.array([names.index(label) for label in read], np.int64)
        return LabelledImages(pixels, labels), names

    def read_test_file(self) -> None:
        return None

    def _is_image(self, picture: Picture, first: list[Prepared]) -> bool:
        """Tell whether a picture can be an image as it is, beside the first."""
        if picture.grey is None or max(picture.grey.shape) > SMALL:
            return False
        usual = first[0].pixels.shape if first else picture.grey.shape
        return picture.grey.shape == ((self._size, self._size) if self._size else usual)

    def _prepared(self, picture: Picture) -> Prepared:
        """Return a picture as an image, small, so that large ones are not all kept in memory."""
        if self.form is not None:
            return prepare(picture, self.form)
        assert picture.grey is not None
        return Prepared(picture.grey, as_it_was=True)

    def _unreadable(self, lines: list[str], files: int) -> DataError:
        more = f", {len(lines) - SHOWN} more than these" if len(lines) > SHOWN else ""
        fix = "; fix: data.skip_unreadable=true leaves them out" if len(lines) < files else ""
        return DataError(
            *lines[:SHOWN],
            f"data.path={self._path}: {len(lines)} of {files} pictures cannot be read{more}{fix}",
        )

    def _files(self) -> list[tuple[Path, str]]:
        """Return the picture files with their labels."""
        if self._path is None:
            raise DataError("data.path: missing, the folder of pictures; fix: data.path=photos/")
        root = Path(self._path).expanduser()
        if not root.is_dir():
            raise DataError(
                f"data.path={self._path}: no such folder on {platform.node()}, looked in "
                f"{Path.cwd()}; a folder is not sent to workers on other machines: fix: put it "
                "there at the same path, or on a disk that all share"
            )
        if self._classes is not None:
            return self._listed(root, Path(self._classes).expanduser())
        folders = sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
        pictures = [(file, folder.name) for folder in folders for file in pictures_in(folder)]
        if len({label for _, label in pictures}) < 2:
            raise DataError(
                f"data.path={self._path}: {len(folders)} folders in it, pictures in "
                f"{len({label for _, label in pictures})} of them; it needs one for each of at "
                "least two classes; fix: make them, or data.classes=labels.csv"
            )
        return pictures

    def _listed(self, root: Path, table: Path) -> list[tuple[Path, str]]:
        """Return the files that a table of names and labels lists, with or without a header."""
        try:
            text = table.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"data.classes={table}: cannot be read ({error})") from error
        lines = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=text.count))
        rows = [[cell.strip() for cell in row] for row in lines if row]
        if rows and Path(rows[0][0]).suffix.lower() not in SUFFIXES:
            del rows[0]  # a header
        bad = [row for row in rows if len(row) != 2 or not (root / row[0]).is_file()]
        if bad or not rows:
            shown = ",".join(bad[0]) if bad else "empty"
            raise DataError(
                f"data.classes={table}: {shown}: every row must be a file in {root} and its label"
            )
        return [(root / name, label) for name, label in rows]


def _with_progress(files: Sequence[tuple[Path, str]]) -> Iterable[tuple[Path, str]]:
    """Hand the files out, beside a bar where a person waits for them; not in a search's workers."""
    looked_at = sys.stderr.isatty() and multiprocessing.parent_process() is None
    return track(files, "reading pictures", console=screen(), transient=True, disable=not looked_at)
