"""Per-class scores and log loss: probabilities in, numbers out."""

import numpy as np

SMALLEST = float(np.finfo(np.float32).eps)
"""Least probability that a log loss is made of, so that a certain mistake costs much, not infinity:
what float32 tells from nothing beside 1. In training, comparison and on every split."""


def confusion_counts(
    labels: np.ndarray, predictions: np.ndarray, *, num_classes: int
) -> np.ndarray:
    """Count images by true class (row) and predicted class (column): int64 `[K, K]`.

    labels, predictions: int64 `[N]`, each in 0..num_classes - 1; else ValueError.
    """
    for name, values in (("labels", labels), ("predictions", predictions)):
        if len(values) and not (values.min() >= 0 and values.max() < num_classes):
            raise ValueError(
                f"{name} must be in 0..{num_classes - 1}, got {values.min()}..{values.max()}"
            )
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def per_class_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, f1 (float64 `[K]`, 0..1) and support (int64 `[K]`) per class.

    counts: int64 `[K, K]`, rows true, columns predicted. 0 / 0 is nan, as scikit-learn's
    `zero_division=nan`: the precision of a class never predicted is not known, it is not 0.
    """
    hits = np.diag(counts).astype(np.float64)
    predicted, support = counts.sum(axis=0), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return {
            "precision": hits / predicted,
            "recall": hits / support,
            "f1": 2 * hits / (predicted + support),
            "support": support,
        }


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative natural logarithm of the probability of the true class.

    probabilities: float `[N, K]`, clipped from below at `SMALLEST`. labels: int64 `[N]`. No images:
    nan.
    """
    if len(labels) == 0:
        return float("nan")
    given_to_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(given_to_truth.clip(SMALLEST, 1)).mean())


def expected_best(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the largest of n draws, `[N]` each, for n from 1 to N.

    Draws are from the N values, with replacement (Dodge et al. 2019, "Show Your Work").
    """
    ordered, total = np.sort(values), len(values)
    # P(largest of n <= value), [N, N + 1]
    up_to = (np.arange(total + 1) / total) ** np.arange(1, total + 1)[:, np.newaxis]
    weights = np.diff(up_to, axis=1)
    mean = weights @ ordered
    return mean, np.sqrt(np.maximum(weights @ ordered**2 - mean**2, 0))
