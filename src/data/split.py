"""One fixed split into train, validation and test rows, drawn from a seed."""

import hashlib
from dataclasses import dataclass
from typing import final

import numpy as np

from src.errors import DataError


@final
@dataclass(frozen=True)
class Split:
    """Rows of each split: int64 arrays, sorted, disjoint; `validation` and `test` may be empty."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def digest(self, data_digest: str) -> str:
        """Return the SHA-256, in hexadecimal, of the data digest and the rows of every split."""
        sha = hashlib.sha256(data_digest.encode())
        for rows in (self.train, self.validation, self.test):
            sha.update(len(rows).to_bytes(8, "little"))
            sha.update(rows.astype("<i8").tobytes())
        return sha.hexdigest()


def draw_split(
    num_rows: int, *, validation_size: int | float, test_size: int | float, seed: int
) -> Split:
    """Draw a split of `num_rows` rows: the same arguments always give the same split.

    validation_size and test_size: a count, or a fraction of all rows below 1; a test size of 0
    means that the test images stand in a file of their own. With a validation size of 0 the rows
    that would have validated are trained on, and the test rows are the same.
    Raises DataError when a split would be left without a row.
    """
    num_validation, num_test = split_counts(num_rows, validation_size, test_size)
    order = np.random.default_rng(seed).permutation(num_rows)
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    return Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test))


def split_counts(
    num_rows: int, validation_size: int | float, test_size: int | float
) -> tuple[int, int]:
    """Return how many rows validate and test; raises DataError where a split would have none."""
    num_validation = _count(validation_size, num_rows)
    num_test = _count(test_size, num_rows)
    num_train = num_rows - num_validation - num_test
    if num_train < 1 or (validation_size and num_validation < 1) or (test_size and num_test < 1):
        asked = f"data.validation_size={validation_size}"
        if test_size:
            asked += f", data.test_size={test_size}"
        raise DataError(
            f"{asked}: of {num_rows} rows this takes {num_validation} to validate and {num_test} "
            f"to test and leaves {max(num_train, 0)} to train; every split needs at least one: "
            "choose smaller sizes or bring more rows"
        )
    return num_validation, num_test


def _count(size: int | float, num_rows: int) -> int:
    return size if isinstance(size, int) else round(size * num_rows)
