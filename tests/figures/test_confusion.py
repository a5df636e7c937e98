"""The confusion matrix: errors must be seen, right answers must not drown them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.figures.confusion import confusion_card, draw_confusion_matrix, row_shares


def drawn(counts: np.ndarray, path: Path, *, names: list[str] | None = None) -> np.ndarray:
    names = names or [str(index) for index in range(len(counts))]
    draw_confusion_matrix(counts, class_names=names, path=path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def red_pixels(picture: np.ndarray) -> int:
    """Count pixels in a colour of the error scale; grey and white are none."""
    picture = picture.astype(int)
    return int((picture[..., 0] - picture[..., 2] > 20).sum())


def matrix_of(counts: np.ndarray, **how: float) -> np.ndarray:
    """Return the matrix alone from the card of two classes, inside its frame."""
    card = confusion_card(counts, class_names=["0", "1"], **how).astype(int)
    frame = (card == 170).all(axis=2)
    rows, columns = (np.flatnonzero(frame.sum(axis=axis) > 150) for axis in (1, 0))
    return card[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_one_error_among_ten_thousand_right_answers_is_a_deep_red_cell(tmp_path: Path) -> None:
    counts = np.diag(np.full(10, 1000))
    perfect = drawn(counts, tmp_path / "perfect.png")
    counts[2, 7] = 1
    one_error = drawn(counts, tmp_path / "one.png")
    differs = (perfect != one_error).any(axis=2)[:-40]  # without the scale at the bottom
    dark = (one_error[:-40, :, 0] < 140) & (one_error[:-40, :, 2] < 40) & differs
    assert dark.sum() > 1000


def test_right_answers_carry_no_colour() -> None:
    names = list("abcd")
    few = confusion_card(np.diag([1, 1, 1, 1]), class_names=names)
    said = confusion_card(np.diag([1, 1, 1, 1]), class_names=names, words="before training")
    assert (said < 100).sum() > (few < 100).sum()
    many = confusion_card(np.diag([900, 5000, 10, 1]), class_names=names)
    assert red_pixels(many) == 0
    assert red_pixels(few) == 0


def test_more_errors_are_deeper_on_a_scale_that_stays_the_same() -> None:
    cells = []
    for errors in (0, 5, 20, 50, 400):
        counts = np.array([[1000 - errors, errors], [0, 1000]])
        cells.append(matrix_of(counts)[80, 180].tolist())
    greens = [green for _, green, _ in cells]
    assert greens[0] == 255
    assert greens[0] > greens[1] > greens[2] > greens[3]
    assert cells[3] == cells[4]


def test_rows_are_true_and_columns_predicted() -> None:
    counts = np.array([[100, 50], [0, 100]])
    picture = matrix_of(counts)
    reds = np.argwhere(picture[..., 0] - picture[..., 2] > 60)
    upper, right = reds.mean(axis=0)
    assert upper < picture.shape[0] / 2
    assert right > picture.shape[1] / 2


def test_a_cell_of_zero_is_empty_and_one_of_one_is_not() -> None:
    cells = []
    for number in (0, 1, 2):
        counts = np.diag([1000, 1000])
        counts[0, 1] = number
        cells.append(matrix_of(counts, full_at=1.0)[20:80, 120:180].min(axis=2))
    assert (cells[0] == 255).all()
    assert (cells[1] < 100).any(), "its number"
    assert (cells[1] != cells[2]).any()


def test_row_shares_sum_to_one_or_to_nothing() -> None:
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    np.testing.assert_allclose(shares, [[0.75, 0.25], [0, 0]])


def test_numbers_stand_in_the_cells_of_few_classes_only(tmp_path: Path) -> None:
    def shows_how_many(num_classes: int) -> bool:
        pictures = [
            drawn(np.diag(np.full(num_classes, number)), tmp_path / "numbers.png")
            for number in (1000, 2000)
        ]
        return bool((pictures[0][56:] != pictures[1][56:]).any())  # below the heading

    assert shows_how_many(15)
    assert not shows_how_many(16)


LONG = "trouser or something rather long {}"


@pytest.mark.parametrize(
    ("num_classes", "name"),
    [
        *((count, LONG) for count in (2, 3, 10, 15, 16, 26, 62, 130)),
        *((count, "{}") for count in (10, 130)),
        *((count, "") for count in (2, 16)),
        *((count, "猫 {}") for count in (3, 62)),
    ],
)
def test_any_number_of_classes_and_any_names(num_classes: int, name: str, tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 20_000, (num_classes, num_classes))
    names = [name.format(index) for index in range(num_classes)]
    picture = drawn(counts, tmp_path / "confusion.png", names=names)
    small = confusion_card(counts, class_names=names)
    assert small.dtype == np.uint8
    for image in (picture, small):
        assert red_pixels(image) > 1000
        assert image.shape[1] < 3000
        assert (image[0] == 255).all(), "something touches the upper edge"
        assert (image[-1] == 255).all(), "something touches the lower edge"
        assert (image[:, 0] == 255).all(), "something touches the left edge"
        assert (image[:, -1] == 255).all(), "something touches the right edge"


def test_no_images_at_all_is_still_a_picture(tmp_path: Path) -> None:
    picture = drawn(np.zeros((3, 3), dtype=np.int64), tmp_path / "none.png")
    assert picture.std() > 5
