"""Moran's I against a direct sum over all pairs of pixels, and against shuffled pixels."""

from itertools import permutations

import numpy as np
import pytest

from src.stats.autocorrelation import (
    is_noise_like,
    moments_if_shuffled,
    order_units,
    spatial_autocorrelation,
)


def direct_moran(image: np.ndarray, used: np.ndarray) -> float:
    """Sum over all pairs of pixels, as the formula is written."""
    pixels = list(zip(*np.nonzero(used), strict=True))
    z = {pixel: image[pixel] - image[used].mean() for pixel in pixels}
    total = weight = 0.0
    for a in pixels:
        for b in pixels:
            if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1:
                total += z[a] * z[b]
                weight += 1
    return len(pixels) / weight * total / sum(value**2 for value in z.values())


def blobs(*, units: int, side: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    rng = np.random.default_rng(1)
    centres = rng.random((units, 2))
    distance = [(rows - y) ** 2 + (columns - x) ** 2 for y, x in centres]
    return np.exp(-8 * np.array(distance))[:, None].astype(np.float32)


def noise(*, units: int, side: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.04, 0.04, (units, channels, side, side)).astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 7)])
def test_equals_the_direct_sum(shape: tuple[int, int]) -> None:
    weights = np.random.default_rng(3).normal(2, 1, (3, 1, *shape)).astype(np.float32)
    everything = np.ones(shape, dtype=bool)
    expected = [direct_moran(image[0].astype(np.float64), everything) for image in weights]
    found = spatial_autocorrelation(weights)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected)


def test_pixels_never_used_count_neither_alone_nor_in_pairs() -> None:
    weights = np.random.default_rng(4).normal(1, 1, (2, 1, 6, 7))
    used = np.random.default_rng(5).random((6, 7)) < 0.7
    expected = [direct_moran(image[0], used) for image in weights]
    np.testing.assert_allclose(spatial_autocorrelation(weights, pixels_used=used), expected)
    changed = np.where(used, weights, 99.0)
    np.testing.assert_allclose(spatial_autocorrelation(changed, pixels_used=used), expected)


def test_smooth_is_near_one_noise_near_zero_a_chequerboard_minus_one() -> None:
    chequerboard = (np.indices((8, 8)).sum(axis=0) % 2)[None, None].astype(np.float32)
    assert spatial_autocorrelation(chequerboard)[0] == pytest.approx(-1)
    assert (spatial_autocorrelation(blobs(units=5, side=28)) > 0.9).all()
    assert np.abs(spatial_autocorrelation(noise(units=50, side=28))).max() < 0.15


def test_channels_are_averaged() -> None:
    weights = noise(units=4, side=8, channels=3)
    mean = weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        spatial_autocorrelation(weights), spatial_autocorrelation(mean), rtol=1e-4
    )


@pytest.mark.parametrize("side", [8, 28])
def test_of_a_hundred_noise_units_about_one_passes_for_structure(side: int) -> None:
    marked = is_noise_like(noise(units=4000, side=side))
    assert 0.98 < marked.mean() < 0.997
    assert not is_noise_like(blobs(units=5, side=side)).any()


def test_the_moments_are_those_over_all_orders_of_the_pixels() -> None:
    values = np.array([0.1, -0.4, 2.0, 0.3, -0.2, 0.7])
    orders = np.array(list(permutations(values))).reshape(-1, 1, 2, 3)
    scores = spatial_autocorrelation(orders)
    mean, deviation = moments_if_shuffled(orders[:1])
    assert mean == pytest.approx(scores.mean())
    assert deviation[0] == pytest.approx(scores.std())


def test_the_threshold_agrees_with_shuffling_the_pixels() -> None:
    rng = np.random.default_rng(6)
    image = rng.standard_t(3, 64)  # heavy tails: the kurtosis counts
    shuffled = np.array([rng.permutation(image) for _ in range(5000)]).reshape(-1, 1, 8, 8)
    assert is_noise_like(shuffled).mean() == pytest.approx(0.99, abs=0.006)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7])
def test_equal_weights_have_no_score_and_are_no_noise(value: float) -> None:
    weights = np.full((1, 1, 27, 29), value, dtype=np.float64)
    assert np.isnan(spatial_autocorrelation(weights)).all()
    assert not is_noise_like(weights).any()


def test_order_is_smooth_then_noise_then_flat() -> None:
    flat = np.zeros((1, 1, 28, 28), dtype=np.float32)
    weights = np.concatenate([noise(units=3, side=28), flat, blobs(units=4, side=28)])
    order = order_units(weights)
    assert order.dtype == np.int64
    assert set(order[:4]) == {4, 5, 6, 7}
    assert set(order[4:7]) == {0, 1, 2}
    assert order[7] == 3


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="weights must be"):
        spatial_autocorrelation(np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="pixels_used must be"):
        spatial_autocorrelation(np.zeros((3, 1, 8, 8)), pixels_used=np.ones(64, dtype=bool))
