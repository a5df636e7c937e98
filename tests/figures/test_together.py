"""Several models in one picture: whose is whose, and nothing hidden by a scale."""

from pathlib import Path

import numpy as np
from PIL import Image

from src.figures.misclassified import TILE, draw_only_one_right
from src.figures.sheet import GAP, HEADER, MARGIN

CLASSES = list("abc")


def opened(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


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
