"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels: small, real, and never downloaded."""

from typing import final

import numpy as np

from src.config.types import Seed, SplitSize, ValidationSize
from src.data.source import DataSource, LabelledImages


@final
class Digits(DataSource):
    """The digits of sklearn.datasets.load_digits, their 0..16 scaled to 0..255.

    validation_size, test_size, split_seed: which of the rows validate and test, the others train.
    """

    def __init__(
        self,
        *,
        validation_size: ValidationSize = 0.2,
        test_size: SplitSize = 0.2,
        split_seed: Seed = 0,
    ) -> None:
        super().__init__(
            validation_size=validation_size, test_size=test_size, split_seed=split_seed
        )

    def read_pool(self) -> tuple[LabelledImages, tuple[str, ...]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        labels = digits.target.astype(np.int64)
        return LabelledImages(pixels[:, np.newaxis], labels), tuple("0123456789")

    def read_test_file(self) -> None:
        return None
