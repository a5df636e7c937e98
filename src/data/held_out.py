"""The split of a pool, whose held-out test rows are the same whatever seed draws the others."""

import numpy as np

from src.data.split import Split, draw_split
from src.data.stratified import draw_stratified_split

TEST_SEED = 0
"""Draws the test rows where they are split off: they are never trained on, on no split, and runs on
different splits are scored on the same images."""


def split_rows(
    labels: np.ndarray,
    copies: np.ndarray | None,
    *,
    validation_size: int | float,
    test_size: int | float,
    seed: int,
) -> Split:
    """Draw the split of rows with these labels, int64 `[N]`; seed: draws which others validate.

    copies: as `draw_stratified_split` takes them, None where rows are drawn whatever they are.
    Arguments and errors are else those of `draw_split`.
    """

    def draw(rows: np.ndarray, validation: int | float, test: int | float, seed: int) -> Split:
        sizes = {"validation_size": validation, "test_size": test}
        if copies is None:
            return draw_split(len(rows), **sizes, seed=seed)
        among = np.searchsorted(rows, copies[rows])
        return draw_stratified_split(labels[rows], among, **sizes, seed=seed)

    every = np.arange(len(labels))
    whole = draw(every, validation_size, test_size, TEST_SEED if test_size else seed)
    if not test_size or seed == TEST_SEED:
        return whole
    rows = np.union1d(whole.train, whole.validation)
    others = draw(rows, len(whole.validation), 0, seed)
    return Split(rows[others.train], rows[others.validation], whole.test)
