"""What a data source is: labelled images for a split."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np

from src.config.types import Seed, SplitSize, ValidationSize
from src.data.contract import require_every_class, require_form
from src.data.held_out import split_rows
from src.data.stratified import describe_split, describe_test, find_copies
from src.errors import DataError
from src.pictures.form import Form, measure_form


@final
@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels.

    pixels: uint8 `[N, C, H, W]`, 0..255. labels: int64 `[N]`, an index into the class names.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "LabelledImages":
        """Return the images at `rows`, int64 `[M]`."""
        return LabelledImages(self.pixels[rows], self.labels[rows])


@final
@dataclass(frozen=True)
class Dataset:
    """What a training may see: no test images among it.

    validation has no images where all rows are trained on.
    data_digest and split_digest are SHA-256 in hexadecimal; the split digest covers the data
    digest and the rows of every split, so that equal split digests mean equal images of the pool.
    notes: what was found out about the user's own data, a line each. form: how pictures were made
    into these images, None where they were not. reading: how the values of a table were read.
    added: number of training images that are not from the pool.
    """

    train: LabelledImages
    validation: LabelledImages
    class_names: tuple[str, ...]
    data_digest: str
    split_digest: str
    notes: tuple[str, ...] = ()
    form: Form | None = None
    reading: dict[str, Any] | None = None
    added: int = 0

    @property
    def pixels_used(self) -> np.ndarray:
        """Bool `[H, W]`: pixels that are not the same in all training images."""
        return np.asarray(np.ptp(self.train.pixels, axis=(0, 1)) > 0)

    @cached_property
    def measured_form(self) -> Form:
        """The form of the training images; measured once, a third of a second."""
        train = self.train
        return measure_form(train.pixels, train.labels, num_classes=len(self.class_names))


class DataSource(ABC):
    """Gives labelled images for each split; the test images only to those who ask for them.

    A data source implements `read_pool` and `read_test_file`; the split is drawn here, once and
    from its own seed, so that every run on the same source sees the same images. A source reads
    once: it keeps what it gives.

    file_arguments: names of constructor arguments that are paths of the user's own files, which
    workers on other machines are sent. What a source downloads, each machine fetches itself.
    own: whether the images are the user's own: classes are then split alike, copies kept together.
    """

    file_arguments: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[bool] = False

    def __init__(
        self, *, validation_size: ValidationSize, test_size: SplitSize | None, split_seed: Seed
    ) -> None:
        self._validation_size = validation_size
        self._test_size = test_size or 0
        self._split_seed = split_seed
        self._dataset: Dataset | None = None
        self._test: LabelledImages | None = None
        self.notes: tuple[str, ...] = ()
        self.form: Form | None = None
        self.reading: dict[str, Any] | None = None

    @abstractmethod
    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        """Return the images that are split, and the class names in the order of their labels.

        Raises DataError where the data cannot be had or is damaged.
        """

    @abstractmethod
    def read_test_file(self) -> LabelledImages | None:
        """Return the test images that stand in a file of their own, or None if there is none."""

    def trained_on(self, train: LabelledImages) -> LabelledImages:
        """Return the images that train: those of the pool, and what else a source may add."""
        return train

    def load(self) -> Dataset:
        """Return the train and validation images; the test images stay in here."""
        if self._dataset is None:
            self._dataset = self._read_dataset()
        return self._dataset

    def _read_dataset(self) -> Dataset:
        pool, class_names = self._pool()
        copies = find_copies(pool.pixels) if self.own else None
        sizes = {"validation_size": self._validation_size, "test_size": self._test_size}
        split = split_rows(pool.labels, copies, **sizes, seed=self._split_seed)
        require_every_class(pool.labels[split.train], class_names)
        if copies is not None:
            self.notes += describe_split(pool.pixels, pool.labels, copies, split, class_names)
        if self._test_size:
            self._test = pool.take(split.test)
        train, data_digest = self.trained_on(pool.take(split.train)), digest(pool)
        return Dataset(
            train=train,
            validation=pool.take(split.validation),
            class_names=class_names,
            data_digest=data_digest,
            split_digest=split.digest(data_digest),
            notes=self.notes,
            form=self.form,
            reading=self.reading,
            added=len(train) - len(split.train),
        )

    def load_test(self) -> LabelledImages:
        """Return the test images; call it only to evaluate a finished run."""
        if self._test is None and self._test_size:
            self.load()
        elif self._test is None:
            self._test = self.read_test_file()
            if self.own and self._test is not None:
                dataset = self.load()
                others = (dataset.train.pixels, dataset.validation.pixels)
                self.notes += describe_test(self._test.pixels, *others)
                self._dataset = replace(dataset, notes=self.notes)
        assert self._test is not None, "a source without a test file needs a test_size"
        return self._test

    def check_test(self) -> str | None:
        """Return the digest of the test images that stand in a file of their own, None without one.

        `load` has notes on them then. Raises DataError where they cannot be had; nothing is scored.
        """
        return None if self._test_size else digest(self.load_test())

    def _pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        pool, class_names = self.read_pool()
        class_names = tuple(str(name) for name in class_names)
        require_form(pool.pixels, pool.labels, class_names)
        present = np.unique(pool.labels)
        if len(present) < 2:
            raise DataError(
                f"data: all {len(pool)} images have the one label {class_names[0]!r}; "
                "a classifier needs at least two classes"
            )
        return pool, class_names


def digest(images: LabelledImages) -> str:
    """Return the SHA-256, in hexadecimal, of the shape, pixels and labels."""
    sha = hashlib.sha256(str(images.pixels.shape).encode())
    sha.update(np.ascontiguousarray(images.pixels).data)
    sha.update(np.ascontiguousarray(images.labels, dtype="<i8").data)
    return sha.hexdigest()
