import numpy as np

from src.data.digits import Digits


def test_all_digits_are_there_in_the_full_range_of_pixels():
    source = Digits()
    dataset, test = source.load(), source.load_test()
    assert len(dataset.train) + len(dataset.validation) + len(test) == 1797
    assert (dataset.train.pixels.min(), dataset.train.pixels.max()) == (0, 255)
    assert dataset.class_names == tuple("0123456789")


def test_pixels_are_the_published_ones_rescaled():
    from sklearn.datasets import load_digits

    pool, _ = Digits().read_pool()
    np.testing.assert_array_equal(np.rint(pool.pixels[:, 0] / 255 * 16), load_digits().images)
    np.testing.assert_array_equal(pool.labels, load_digits().target)
