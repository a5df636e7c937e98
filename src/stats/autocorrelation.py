"""How smooth a unit's weights are as an image: Moran's I.

A unit that has learned a stroke or a blob weighs neighbouring pixels alike; untrained weights do
not know where their neighbours are. Pixels that are the same in every training image tell nothing,
and where that is 0, get no gradient and keep their initial noise (MNIST's border: 67 of 784), which
pulls the score of a well-trained unit towards 0. `pixels_used` leaves them out; without it the
score is about the whole image.
"""

import numpy as np

# One-sided, 1 %: of a hundred units that are pure noise, one passes for structure.
NOISE_Z = 2.326


def unit_images(weights: np.ndarray) -> np.ndarray:
    """Return one image per unit, float64 `[U, H, W]`: the mean over the channels.

    weights: float `[U, C, H, W]`.
    """
    if weights.ndim != 4:
        raise ValueError(f"weights must be [U, C, H, W], got shape {weights.shape}")
    if weights.shape[1] == 1:  # a mean over one takes five times as long
        return weights[:, 0].astype(np.float64)
    return weights.mean(axis=1, dtype=np.float64)


def spatial_autocorrelation(
    weights: np.ndarray, *, pixels_used: np.ndarray | None = None
) -> np.ndarray:
    """Return Moran's I of each unit's weight image, float64 `[U]` (Moran 1950).

    I = (n / S0) * sum_ij w_ij z_i z_j / sum_i z_i^2, with z the weights less their mean, w_ij = 1
    for pixels that share an edge (rook neighbours), S0 the sum of all w_ij. Near 1: smooth;
    near -1 / (n - 1), about 0: noise; below: a chequerboard. nan: all weights alike.

    weights: float `[U, C, H, W]`, averaged over the channels. pixels_used: bool `[H, W]`, the
    pixels that are not the same in all training images; only they and pairs of them count.
    """
    z, used = _deviations(weights, pixels_used=pixels_used)
    across = np.einsum("uij,uij->u", z[:, :, 1:], z[:, :, :-1])
    down = np.einsum("uij,uij->u", z[:, 1:], z[:, :-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        # every pair counts in both directions, in the sum and in its weights
        covariance = 2 * (across + down) / _neighbours(used).sum()
        return covariance * used.sum() / np.einsum("uij,uij->u", z, z)


def is_noise_like(weights: np.ndarray, *, pixels_used: np.ndarray | None = None) -> np.ndarray:
    """Return bool `[U]`: Moran's I is not significantly above what shuffled pixels would give.

    Normal approximation under randomisation, one-sided, z < 2.326. A unit whose weights are all
    alike is no noise. Arguments as in `spatial_autocorrelation`.
    """
    scores = spatial_autocorrelation(weights, pixels_used=pixels_used)
    expected, deviation = moments_if_shuffled(weights, pixels_used=pixels_used)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (scores - expected) / deviation < NOISE_Z


def order_units(weights: np.ndarray, *, pixels_used: np.ndarray | None = None) -> np.ndarray:
    """Return the units, int64 `[U]`, the most structured first, those without any score last.

    Arguments as in `spatial_autocorrelation`.
    """
    scores = spatial_autocorrelation(weights, pixels_used=pixels_used)
    return np.argsort(-scores, kind="stable").astype(np.int64)


def moments_if_shuffled(
    weights: np.ndarray, *, pixels_used: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return the mean, and the standard deviation `[U]`, of I over all orders of the pixels.

    Cliff and Ord 1981, Spatial Processes, section 1.5. Arguments as in `spatial_autocorrelation`.
    """
    z, used = _deviations(weights, pixels_used=pixels_used)
    n = int(used.sum())
    neighbours = _neighbours(used)
    s0 = float(neighbours.sum())
    s1 = 2 * s0
    s2 = 4 * float((neighbours**2).sum())
    squares = z * z
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = n * np.einsum("uij,uij->u", squares, squares) / squares.sum(axis=(1, 2)) ** 2
        first = n * ((n * n - 3 * n + 3) * s1 - n * s2 + 3 * s0 * s0)
        second = kurtosis * ((n * n - n) * s1 - 2 * n * s2 + 6 * s0 * s0)
        scale = np.float64((n - 1) * (n - 2) * (n - 3) * s0 * s0)
        expected = -1.0 / np.float64(n - 1)
        return float(expected), np.sqrt((first - second) / scale - expected**2)


def _deviations(
    weights: np.ndarray, *, pixels_used: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 `[U, H, W]`, the weights less their mean and 0 where unused, and the mask."""
    images = unit_images(weights)
    used = np.ones(images.shape[1:], dtype=bool) if pixels_used is None else pixels_used
    if used.shape != images.shape[1:]:
        raise ValueError(f"pixels_used must be {images.shape[1:]}, got shape {used.shape}")
    images *= used
    squares = np.einsum("uij,uij->u", images, images)
    images -= images.sum(axis=(1, 2), keepdims=True) / max(1, used.sum())
    images *= used
    alike = np.einsum("uij,uij->u", images, images) <= 1e-12 * squares
    images[alike] = 0.0  # what rounding left of equal weights is no structure
    return images, used


def _neighbours(used: np.ndarray) -> np.ndarray:
    """Return int64 `[H, W]`: how many used rook neighbours each used pixel has."""
    padded = np.pad(used, 1).astype(np.int64)
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return around * used
