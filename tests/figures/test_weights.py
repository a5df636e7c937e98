"""The sheets of weights: what stands where, in which colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.figures.sheet import GAP, HEADER, LINE, MARGIN
from src.figures.weights import (
    coloured,
    draw_weights_over_training,
    evenly,
    shared_scale_limit,
    weight_sheet,
)


def noise(*, units: int, side: int = 8, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, (units, channels, side, side)).astype(np.float32)


def tile_of(sheet: np.ndarray, *, place: int, columns: int, side: int, zoom: int) -> np.ndarray:
    """Cut the tile at `place` out of a sheet, one pixel a weight."""
    x = MARGIN + 1 + place % columns * (side * zoom + 2 + GAP)
    y = HEADER + 1 + place // columns * (side * zoom + 2 + LINE + GAP)
    return sheet[y : y + side * zoom, x : x + side * zoom][zoom // 2 :: zoom, zoom // 2 :: zoom]


def orange_pixels(picture: np.ndarray) -> int:
    return int((picture == (0xD5, 0x5E, 0x00)).all(axis=-1).sum())


def test_zero_is_nearly_white_and_the_ends_mirror_each_other() -> None:
    weights = np.array([0.0, 0.5, -0.5, 9.0, -9.0], dtype=np.float32).reshape(5, 1, 1, 1)
    zero, red, blue, reddest, bluest = coloured(weights, limit=1.0).reshape(5, 3).astype(int)
    assert zero.min() > 240
    assert zero.max() - zero.min() <= 2
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    np.testing.assert_array_equal(reddest, coloured(np.ones((1, 1, 1, 1)), limit=1.0).ravel())
    np.testing.assert_array_equal(bluest, coloured(-np.ones((1, 1, 1, 1)), limit=1.0).ravel())


def test_tiles_stand_in_the_given_order_with_every_weight_at_its_pixel() -> None:
    weights = noise(units=10)
    order = np.array([7, 3, 0, 1, 2, 4, 5, 6, 8, 9])
    sheet = weight_sheet(weights, title="t", order=order, scale_limit=0.3)
    assert sheet.dtype == np.uint8
    expected = coloured(weights, limit=0.3)
    for place, unit in enumerate(order):
        tile = tile_of(sheet, place=place, columns=5, side=8, zoom=14)
        np.testing.assert_array_equal(tile, expected[unit])


def test_by_default_the_most_structured_unit_is_first() -> None:
    weights = noise(units=10)
    weights[6, 0] = np.linspace(-0.2, 0.2, 8)[:, None]
    sheet = weight_sheet(weights, title="t", scale_limit=0.3)
    tile = tile_of(sheet, place=0, columns=5, side=8, zoom=14)
    np.testing.assert_array_equal(tile, coloured(weights[6:7], limit=0.3)[0])


def test_class_templates_keep_the_order_of_the_classes() -> None:
    weights = noise(units=10)
    weights[6, 0] = np.linspace(-0.2, 0.2, 8)[:, None]
    names = [f"class {index}" for index in range(10)]
    sheet = weight_sheet(weights, title="t", scale_limit=0.3, class_names=names)
    for place in range(10):
        tile = tile_of(sheet, place=place, columns=5, side=8, zoom=14)
        np.testing.assert_array_equal(tile, coloured(weights, limit=0.3)[place])
    assert orange_pixels(sheet) == 0


def test_noise_is_marked_and_structure_is_not() -> None:
    smooth = np.tile(np.linspace(-0.2, 0.2, 8, dtype=np.float32), (10, 1, 8, 1))
    assert orange_pixels(weight_sheet(smooth, title="t")) == 0
    assert orange_pixels(weight_sheet(noise(units=10), title="t")) > 50


def test_a_flat_unit_is_marked_too() -> None:
    assert orange_pixels(weight_sheet(np.zeros((1, 1, 8, 8), np.float32), title="t")) > 5


def test_the_scale_is_shared_and_ignores_a_few_outliers() -> None:
    weak, strong = noise(units=20), 5 * noise(units=20)
    assert shared_scale_limit(weak, strong) == pytest.approx(shared_scale_limit(strong))
    assert shared_scale_limit(-strong) == pytest.approx(shared_scale_limit(strong))
    outlier = weak.copy()
    outlier[0, 0, 0, 0] = 1000
    assert shared_scale_limit(outlier) < 1
    assert shared_scale_limit(np.zeros((2, 1, 8, 8))) == 1.0


def test_at_most_a_hundred_units_evenly_over_the_order() -> None:
    shown = evenly(np.arange(256)[::-1], most=100)
    assert len(set(shown)) == 100
    assert (shown[0], shown[-1]) == (255, 0)
    assert set(np.diff(shown)) <= {-2, -3}
    hundred = weight_sheet(noise(units=100), title="t")
    assert weight_sheet(noise(units=256), title="t").shape == hundred.shape


@pytest.mark.parametrize(
    ("units", "side", "channels"),
    [(1, 8, 1), (1, 100, 1), (2, 28, 3), (3, 64, 1), (17, 100, 1), (62, 8, 1), (62, 28, 3)],
)
def test_any_size_can_be_drawn(units: int, side: int, channels: int) -> None:
    weights = noise(units=units, side=side, channels=channels)
    sheet = weight_sheet(weights, title="first-layer weights, step 1,000")
    assert sheet.ndim == 3
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 50
    assert (sheet[-1] == 255).all(), "something touches the lower edge"
    assert (sheet[:, -1] == 255).all(), "something touches the right edge"


def test_a_card_is_thrice_as_wide_as_high_and_of_few_large_tiles() -> None:
    for units in (1, 5, 12, 300):
        card = weight_sheet(noise(units=units, side=28), title="", most_units=12)
        assert 2.9 < card.shape[1] / card.shape[0] < 4, units
        assert card.shape[1] < 1000
        said = weight_sheet(noise(units=units, side=28), title="", most_units=12, words="at first")
        assert 2.9 < said.shape[1] / said.shape[0] < 4, units
        strip = said.shape[1] // 30  # where words are large enough to be read on a card
        assert said[-strip:].min() < 100 < 250 < card[-strip // 3 :].min()


def test_words_under_a_card_are_not_cut() -> None:
    templates, names = noise(units=10, side=28), list("0123456789")
    cards = [
        weight_sheet(templates, title="", class_names=names, words="minibatches " * number)
        for number in (3, 4)
    ]
    shorter, longer = (np.flatnonzero((card[-25:] < 100).any(axis=(0, 2))) for card in cards)
    assert np.ptp(longer) > 1.2 * np.ptp(shorter)


def tiles(picture: np.ndarray, *, rows: int) -> list[tuple[int, int]]:
    """Return where the columns of a page begin and end: frames that go down through all rows."""
    grey = (np.ptp(picture, axis=2) == 0) & (picture[..., 0] == 0xCF)
    edges = np.flatnonzero(grey.sum(axis=0) > rows * 50)
    return list(zip(edges[::2], edges[1::2], strict=True))


def page_of(snapshots: dict[int, np.ndarray], path: Path, **how) -> np.ndarray:
    draw_weights_over_training(snapshots, path=path, **({"accuracies": {}} | how))
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_every_step_has_a_scale_of_its_own(tmp_path: Path) -> None:
    weights = noise(units=3, side=28)
    picture = page_of({100: weights, 0: weights / 100}, tmp_path / "weights.png")
    early, late = (picture[:, start + 1 : end] for start, end in tiles(picture, rows=3))
    top = HEADER + 2 * LINE + GAP
    bottom = picture.shape[0] - 3 * LINE - 2 * GAP - MARGIN
    np.testing.assert_array_equal(early[top:bottom], late[top:bottom])
    assert np.ptp(early[top:bottom], axis=2).mean() > 40


def test_no_two_columns_are_nearly_the_same_step(tmp_path: Path) -> None:
    steps = (0, 10, 30, 100, 300, 1000, 3000, 10_000, 12_000)
    for last, columns in ((12_000, 7), (1050, 6), (351, 5), (8, 2)):
        snapshots = {s: noise(units=2, side=28) for s in (*steps, last) if s <= last}
        assert len(tiles(page_of(snapshots, tmp_path / "w.png"), rows=2)) == columns, last


def test_over_a_column_stands_the_accuracy_that_its_step_reaches(tmp_path: Path) -> None:
    snapshots = {0: noise(units=2, side=28), 10: noise(units=2, side=28)}
    plain = page_of(snapshots, tmp_path / "w.png")
    said = page_of(snapshots, tmp_path / "w.png", accuracies={0: 0.1, 10: 0.875})
    blue = (said[..., 2] > 120) & (said[..., 0] < 60)
    changed = (plain != said).any(axis=2) if plain.shape == said.shape else blue
    assert (blue & changed)[HEADER : HEADER + 2 * LINE].sum() > 60


def test_rows_over_training_follow_the_last_step(tmp_path: Path) -> None:
    ramp = np.linspace(-0.2, 0.2, 8, dtype=np.float32)
    early, late = noise(units=5), noise(units=5)
    late[3, 0] = ramp[:, None]
    picture = page_of({0: early, 9: late}, tmp_path / "a.png")
    wanted = coloured(late[3:4], limit=shared_scale_limit(late))[0]
    first_row = picture[HEADER + 2 * LINE + GAP + 1 :][:96]
    samples = first_row[6::12]
    found = [
        x
        for x in range(picture.shape[1] - 96)
        if np.array_equal(samples[:, x + 6 : x + 96 : 12], wanted)
    ]
    assert found, "the unit with structure at the end is not in the first row"


@pytest.mark.parametrize("units", [1, 10, 11, 256])
@pytest.mark.parametrize("steps", [(0,), (0, 10, 100, 1000, 10_000, 100_000, 123_456)])
def test_pages_of_any_length(units: int, steps: tuple[int, ...], tmp_path: Path) -> None:
    snapshots = {step: noise(units=units, side=28) for step in steps}
    path = tmp_path / "weights.png"
    assert page_of(snapshots, path).std() > 5
    if units == 10:
        assert page_of(snapshots, path, class_names=["trouser or so"] * 10).std() > 5
