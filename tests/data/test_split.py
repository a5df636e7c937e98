import numpy as np
import pytest

from src.data.held_out import split_rows
from src.data.split import draw_split
from src.errors import DataError


def test_every_row_is_in_exactly_one_split():
    split = draw_split(1000, validation_size=200, test_size=0.1, seed=3)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert (len(split.train), len(split.validation), len(split.test)) == (700, 200, 100)
    np.testing.assert_array_equal(np.sort(rows), np.arange(1000))


def test_the_seed_decides():
    def digest(seed):
        return draw_split(500, validation_size=0.2, test_size=0, seed=seed).digest("data")

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_the_digest_covers_the_data_and_which_split_a_row_is_in():
    split = draw_split(10, validation_size=5, test_size=0, seed=0)
    swapped = type(split)(train=split.validation, validation=split.train, test=split.test)
    assert split.digest("a") != split.digest("b")
    assert split.digest("a") != swapped.digest("a")


def test_the_split_of_a_seed_never_changes():
    """Results of different versions can only be compared while this holds."""
    split = draw_split(10, validation_size=3, test_size=2, seed=0)
    assert split.test.tolist() == [4, 6]
    assert split.validation.tolist() == [2, 3, 7]


def test_without_validation_rows_the_others_are_trained_on_and_the_test_rows_stay():
    usual = draw_split(500, validation_size=100, test_size=0.1, seed=3)
    whole = draw_split(500, validation_size=0, test_size=0.1, seed=3)
    assert sorted([*usual.train, *usual.validation]) == whole.train.tolist()
    assert len(whole.validation) == 0
    assert (whole.test == usual.test).all()
    assert whole.digest("data") != usual.digest("data")


@pytest.mark.parametrize(
    ("validation_size", "test_size"), [(10, 0), (9, 1), (0.01, 0), (0.5, 0.01), (0.5, 0.5)]
)
def test_a_split_without_a_row_is_refused(validation_size, test_size):
    with pytest.raises(DataError, match=r"data.validation_size=.*every split needs at least one"):
        draw_split(10, validation_size=validation_size, test_size=test_size, seed=0)


@pytest.mark.parametrize("copied", [False, True])
def test_the_test_rows_are_the_same_whatever_seed_draws_the_others(copied):
    labels = np.arange(500) % 5
    copies = np.where(np.arange(500) < 400, np.arange(500), np.arange(500) - 100)
    how = {"copies": copies if copied else None, "validation_size": 0.2, "test_size": 0.1}
    usual, *others = (split_rows(labels, **how, seed=seed) for seed in (0, 1, 2))
    for split in others:
        rows = np.concatenate([split.train, split.validation, split.test])
        np.testing.assert_array_equal(np.sort(rows), np.arange(500))
        np.testing.assert_array_equal(split.test, usual.test)
        assert len(split.validation) == pytest.approx(len(usual.validation), abs=2 * copied)
        for one in (split.train, split.validation) if copied else ():
            assert np.isin(copies[one], one).all()  # together with what they are copies of
    drawn = {tuple(split.validation) for split in (usual, *others)}
    assert len(drawn) == 3


def test_with_a_test_file_or_the_usual_seed_the_split_is_the_plain_one():
    labels = np.arange(300) % 3
    for seed, test_size in ((0, 0.1), (7, 0)):
        sizes = {"validation_size": 0.2, "test_size": test_size, "seed": seed}
        found = split_rows(labels, None, **sizes)
        assert found.digest("x") == draw_split(300, **sizes).digest("x")
