"""A split of one's own images: every class has its share, and copies are on one side."""

import tracemalloc

import numpy as np
import pytest

from src.data.stratified import draw_stratified_split, find_copies
from src.errors import DataError


def split_of(labels, copies=None, *, seed=0, size=0.2):
    labels = np.asarray(labels)
    copies = np.arange(len(labels)) if copies is None else np.asarray(copies)
    split = draw_stratified_split(labels, copies, validation_size=size, test_size=size, seed=seed)
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(labels)))
    return split


def test_many_copies_of_one_image_take_no_share_from_their_class():
    copies = np.arange(200)
    copies[:45] = 0
    for seed in range(20):
        split = split_of(np.repeat([0, 1], 100), copies, seed=seed)
        for rows in (split.validation, split.test):
            assert (rows < 100).sum() == 20
            assert (rows >= 100).sum() == 20


def test_two_images_a_class_leave_no_split_empty():
    for seed in range(20):
        split = split_of(np.repeat(np.arange(10), 2), seed=seed)
        assert (len(split.validation), len(split.test)) == (4, 4)
        assert len(set(split.train // 2)) == 10


def test_where_the_largest_class_is_one_image_the_others_give():
    """Once to the test images and once, other ones, to the validation images."""
    labels = np.repeat([0, 1, 2], [20, 3, 3])
    copies = np.arange(26)
    copies[:20] = 0
    split = split_of(labels, copies, size=1)
    assert (len(split.validation), len(split.test)) == (1, 1)


def test_one_image_a_class_cannot_be_split():
    with pytest.raises(DataError, match="test_size`: of 10 images none is left for it"):
        split_of(np.arange(10))


def test_copies_are_found_however_images_lie_in_a_fraction_of_their_memory():
    images = np.random.default_rng(0).integers(0, 256, (5_000, 1, 28, 28)).astype(np.uint8)
    images[[7, 4_000]] = images[2]
    expected = np.arange(5_000)
    expected[[7, 4_000]] = 2
    for pixels in (images, np.asfortranarray(images)):
        tracemalloc.start()
        found = find_copies(pixels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        np.testing.assert_array_equal(found, expected)
        assert peak < pixels.nbytes / 2
