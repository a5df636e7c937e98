"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, 10,000 of them the official test images."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, final

import numpy as np
from pydantic import Field

from src.config.types import NonNegativeInt, PositiveInt, Seed, ValidationSize
from src.data.drawn import draw_digits
from src.data.mnist_download import TEST_FILES, TRAIN_FILES, read_files
from src.data.source import DataSource, LabelledImages

NUM_OFFICIAL_ROWS = 60_000
NUM_LABELS_HEADER_BYTES = 8
NUM_IMAGES_HEADER_BYTES = 16


@final
class Mnist(DataSource):
    """The official training images, or a sample of them; the test images are the official ones.

    rows: how many of the 60,000 training images are used; null is all of them.
    sample_seed: which ones; drawn before the split and independent of it.
    validation_size, split_seed: which of the rows validate, the others train.
    drawn: how many digits drawn as strokes are trained on too; none of them validates or tests.
    cache_dir: the files are kept in its folder `mnist`; null is the user's cache folder.
    """

    def __init__(
        self,
        *,
        rows: Annotated[PositiveInt, Field(le=NUM_OFFICIAL_ROWS)] | None = None,
        sample_seed: Seed = 0,
        validation_size: ValidationSize = 5_000,
        split_seed: Seed = 0,
        drawn: NonNegativeInt = 0,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__(validation_size=validation_size, test_size=None, split_seed=split_seed)
        self._num_rows = rows or NUM_OFFICIAL_ROWS
        self._sample_seed = sample_seed
        self._drawn = drawn
        self._cache_dir = cache_dir

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        official = self._read(TRAIN_FILES)
        rng = np.random.default_rng(self._sample_seed)
        rows = rng.choice(NUM_OFFICIAL_ROWS, size=self._num_rows, replace=False)
        return official.take(np.sort(rows)), tuple("0123456789")

    def read_test_file(self) -> LabelledImages:
        return self._read(TEST_FILES)

    def trained_on(self, train: LabelledImages) -> LabelledImages:
        """Return the images with the digits drawn by program behind them."""
        if not self._drawn:
            return train
        self.notes += (f"{self._drawn:,} of the training images are digits drawn by program",)
        drawn = draw_digits(self._drawn)
        return LabelledImages(
            np.concatenate([train.pixels, drawn.pixels]),
            np.concatenate([train.labels, drawn.labels]),
        )

    def cache_folder(self) -> Path:
        """Return where the four files are, or will be once they are fetched."""
        from platformdirs import user_cache_path

        if self._cache_dir is None:
            return user_cache_path("digit-classifiers", appauthor=False) / "mnist"
        return Path(self._cache_dir).expanduser() / "mnist"

    def _read(self, names: Iterable[str]) -> LabelledImages:
        images, labels = read_files(self.cache_folder(), list(names))
        pixels = np.frombuffer(images, np.uint8, offset=NUM_IMAGES_HEADER_BYTES)
        return LabelledImages(
            pixels=pixels.reshape(-1, 1, 28, 28).copy(),
            labels=np.frombuffer(labels, np.uint8, offset=NUM_LABELS_HEADER_BYTES).astype(np.int64),
        )
