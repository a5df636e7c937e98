"""Several models in one picture: whose is whose, and nothing hidden by a scale."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.figures.curves import draw_curves_together
from src.figures.misclassified import TILE, draw_only_one_right
from src.figures.sheet import GAP, HEADER, MARGIN
from src.figures.style import SERIES

CLASSES = list("abc")


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def places(picture: np.ndarray, colour: str) -> np.ndarray:
    """Return the rows and columns, int `[P, 2]`, of pixels in a colour given as #rrggbb."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere(np.abs(picture - wanted).max(axis=2) < 12)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_every_curve_is_drawn_in_its_own_colour_and_the_higher_one_is_higher(tmp_path, metric):
    low, high = [0.5, 0.6, 0.6, 0.6], [0.7, 0.9, 0.9, 0.9]
    path = tmp_path / "curves.png"
    draw_curves_together({"low": [low], "high": [high, high]}, metric=metric, path=path)
    picture = opened(path)
    first, second = (places(picture, colour) for colour in SERIES[:2])
    assert len(first) > 100
    assert len(second) > 100
    assert np.median(second[:, 0]) < np.median(first[:, 0])


def test_only_images_that_one_alone_gets_right_the_surest_mistakes_first(tmp_path):
    greys = np.array([10, 60, 110, 160, 210], np.uint8)
    path = tmp_path / "alone.png"
    draw_only_one_right(
        greys[:, None, None, None] * np.ones((1, 28, 28), np.uint8),
        np.array([0, 0, 0, 0, 0]),
        np.array([0, 0, 1, 0, 0]),
        np.array([1, 0, 1, 2, 1]),
        np.array([0.5, 0.9, 0.9, 0.8, 0.99]),
        names=("one", "other"),
        class_names=CLASSES,
        path=path,
    )
    picture = opened(path)
    y = HEADER + TILE // 2
    found = [picture[y, MARGIN + TILE // 2 + place * (TILE + GAP)].tolist() for place in range(3)]
    assert found == [[210] * 3, [160] * 3, [10] * 3]


def test_nothing_alone_right_is_a_picture_that_says_so(tmp_path):
    zeros = np.zeros(3, np.int64)
    path = tmp_path / "none.png"
    draw_only_one_right(
        np.zeros((3, 1, 8, 8), np.uint8),
        zeros,
        zeros,
        zeros,
        np.ones(3),
        names=("one", "other"),
        class_names=CLASSES,
        path=path,
    )
    assert opened(path).min() < 100
