import numpy as np
import pytest
from PIL import Image

from src.data.digits import Digits
from src.figures.dataset import (
    draw_class_balance,
    draw_first_nine,
    draw_mean_digit_per_class,
)

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def digits():
    return Digits().load().train


def grey(path):
    return np.asarray(Image.open(path).convert("L"), dtype=float)


def test_first_nine_shows_nine_images_and_not_the_tenth(digits, tmp_path):
    paths = [tmp_path / f"{count}.png" for count in (8, 9, 10)]
    for path, count in zip(paths, (8, 9, 10), strict=True):
        labels = [NAMES[label] for label in digits.labels[:count]]
        draw_first_nine(digits.pixels[:count], labels, path=path)
    eight, nine, ten = (path.read_bytes() for path in paths)
    assert eight != nine
    assert nine == ten


def test_the_order_of_the_images_is_seen(digits, tmp_path):
    labels = ["x"] * 9
    draw_first_nine(digits.pixels[:9], labels, path=tmp_path / "a.png")
    draw_first_nine(digits.pixels[8::-1], labels, path=tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_bar_is_as_long_as_its_class_is_large(tmp_path):
    def blue_pixels(counts):
        path = tmp_path / "balance.png"
        draw_class_balance({"train": np.array(counts)}, class_names=["a", "b"], path=path)
        red, _, blue = np.moveaxis(np.asarray(Image.open(path).convert("RGB"), dtype=int), -1, 0)
        columns = ((red < 20) & (blue > 150))[60:].sum(axis=0)  # below the legend
        half = len(columns) // 2
        return columns[:half].max(), columns[half:].max()

    left, right = blue_pixels([100, 50])
    assert left == pytest.approx(2 * right, rel=0.05)


def test_mean_digit_is_the_mean_on_the_fixed_scale_of_the_pixels(tmp_path):
    pixels = np.zeros((4, 1, 5, 5), np.uint8)
    pixels[:2] = [[[[200]]], [[[100]]]]
    path = tmp_path / "mean.png"
    labels = np.array([0, 0, 1, 1])
    draw_mean_digit_per_class(pixels, labels, class_names=["a", "b"], path=path)
    picture = grey(path)
    middle = picture[round(picture.shape[0] * 0.6)]
    quarter = len(middle) // 4
    assert middle[quarter] == pytest.approx(150, abs=1)
    assert middle[3 * quarter] == 0


@pytest.mark.parametrize(("channels", "num_classes"), [(1, 150), (2, 2), (3, 26)])
def test_any_shape_any_number_of_classes_any_name(channels, num_classes, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, channels, 4, 9)).astype(np.uint8)
    labels = rng.integers(0, num_classes, 60)
    names = [f"$a_{{{index}}} {'long ' * index}" for index in range(num_classes)]
    draw_first_nine(pixels, [names[label] for label in labels], path=tmp_path / "first.png")
    counts = {"train": np.bincount(labels, minlength=num_classes)}
    draw_class_balance(counts, class_names=names, path=tmp_path / "balance.png")
    draw_mean_digit_per_class(pixels, labels, class_names=names, path=tmp_path / "mean.png")
    for path in tmp_path.glob("*.png"):
        assert grey(path).std() > 1  # something was drawn
        assert max(grey(path).shape) < 4000
