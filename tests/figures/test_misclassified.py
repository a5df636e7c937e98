"""The sheet of wrong images: the right ones, in the right order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.figures.misclassified import TILE, draw_misclassified
from src.figures.sheet import GAP, HEADER, MARGIN

DIGITS = list("0123456789")


def drawn(
    path: Path,
    *,
    greys: list[int],
    wrong: list[bool],
    confidences: list[float],
    names: list[str] | None = None,
    shape: tuple[int, int, int] = (1, 28, 28),
) -> np.ndarray:
    pixels = np.array(greys, np.uint8)[:, None, None, None] * np.ones(shape, np.uint8)
    labels = np.zeros(len(greys), np.int64)
    predictions = np.array(wrong, np.int64)
    draw_misclassified(
        pixels,
        labels,
        predictions,
        np.array(confidences),
        class_names=names or DIGITS,
        path=path,
    )
    return np.asarray(Image.open(path).convert("RGB"))


def test_only_wrong_images_the_most_confident_first(tmp_path: Path) -> None:
    picture = drawn(
        tmp_path / "wrong.png",
        greys=[10, 60, 110, 160],
        wrong=[True, False, True, True],
        confidences=[0.5, 0.99, 0.9, 0.7],
    )
    y = HEADER + TILE // 2
    found = [picture[y, MARGIN + TILE // 2 + place * (TILE + GAP)].tolist() for place in range(4)]
    assert found == [[110] * 3, [160] * 3, [10] * 3, [255] * 3]


def test_at_most_fifty_are_shown(tmp_path: Path) -> None:
    def height(count: int) -> int:
        path = tmp_path / f"{count}.png"
        everything = [True] * count
        return len(drawn(path, greys=[0] * count, wrong=everything, confidences=[0.9] * count))

    assert height(41) == height(50) == height(51) == height(200)
    assert height(40) < height(41)


def test_none_wrong_is_said_in_words(tmp_path: Path) -> None:
    picture = drawn(tmp_path / "none.png", greys=[7], wrong=[False], confidences=[0.9])
    assert (picture < 60).all(axis=2).sum() > 300
    assert len(picture) < 120


def test_long_names_stand_under_each_other_and_are_not_clipped(tmp_path: Path) -> None:
    names = ["trouser or something that nobody wears", "T-shirt or top"]
    picture = drawn(
        tmp_path / "long.png",
        greys=[0] * 10,
        wrong=[True] * 10,
        confidences=[0.9] * 10,
        names=names,
    )
    orange = (picture == (0xD5, 0x5E, 0x00)).all(axis=2)
    assert orange.sum() > 100
    assert (picture[:, -1] == 255).all()
    assert (picture[-1] == 255).all()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (2, 28, 28), (1, 64, 64), (3, 200, 100)])
def test_any_image_shape(shape: tuple[int, int, int], tmp_path: Path) -> None:
    path = tmp_path / "shape.png"
    arguments = {"wrong": [True] * 3, "confidences": [1.0, 0.5, 0.2]}
    picture = drawn(path, greys=[0, 100, 200], shape=shape, **arguments)
    assert (picture == 100).all(axis=2).sum() > 1000


def test_colour_images_keep_their_colours(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 8, 8), np.uint8)
    pixels[:, 1] = 200
    ones = np.ones(1, np.int64)
    path = tmp_path / "green.png"
    draw_misclassified(pixels, 0 * ones, ones, 0.9 * ones, class_names=DIGITS, path=path)
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture[HEADER + 20, MARGIN + 20].tolist() == [0, 200, 0]
