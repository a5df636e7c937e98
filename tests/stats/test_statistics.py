"""The statistics against scipy, scikit-learn and direct computation."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics

from src.models.probabilities import log_losses
from src.stats.intervals import t_interval, wilson_interval
from src.stats.scores import (
    confusion_counts,
    log_loss,
    per_class_scores,
)


def random_predictions(*, rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, rng.integers(0, classes, rows)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("correct", "total"), [(0, 10), (1, 1), (7, 10), (9512, 10_000), (5, 5)])
def test_wilson_interval_equals_scipy(correct: int, total: int, confidence: float) -> None:
    expected = stats.binomtest(correct, total).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(correct, total, confidence=confidence)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_holds_its_ends_and_refuses_impossible_counts() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 50)[0] == 0.0
    assert wilson_interval(50, 50)[1] == 1.0
    with pytest.raises(ValueError, match="correct=11, total=10"):
        wilson_interval(11, 10)


@pytest.mark.parametrize("values", [[0.95, 0.96], [0.9501, 0.9533, 0.9487], list(range(30))])
def test_t_interval_equals_scipy(values: list[float]) -> None:
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values) == pytest.approx((expected.low, expected.high))


def test_t_interval_of_one_value_is_unknown() -> None:
    assert all(math.isnan(end) for end in t_interval([0.95]))


def test_confusion_counts_and_scores_equal_scikit_learn() -> None:
    probabilities, labels = random_predictions(rows=500, classes=7)
    predictions = probabilities.argmax(axis=1)
    counts = confusion_counts(labels, predictions, num_classes=7)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predictions))
    expected = metrics.precision_recall_fscore_support(labels, predictions)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(per_class_scores(counts)[name], values)


def test_a_class_absent_from_the_data_has_unknown_scores() -> None:
    counts = confusion_counts(np.array([0, 0, 1]), np.array([0, 2, 0]), num_classes=4)
    expected = metrics.precision_recall_fscore_support(
        [0, 0, 1], [0, 2, 0], labels=range(4), zero_division=np.nan
    )
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(per_class_scores(counts)[name], values)
    assert np.isnan(per_class_scores(counts)["recall"][2:]).all()


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_confusion_counts_refuses_labels_that_are_no_class(labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
        confusion_counts(np.array(labels), np.array([0, 0]), num_classes=3)


def test_log_loss_equals_scikit_learn() -> None:
    probabilities, labels = random_predictions(rows=300, classes=5)
    expected = metrics.log_loss(labels, probabilities, labels=range(5))
    assert log_loss(probabilities, labels) == pytest.approx(expected)


def test_log_loss_of_a_certain_mistake_is_large_and_finite() -> None:
    expected = -math.log(np.finfo(np.float32).eps)
    for kind in (np.float32, np.float64):
        loss = log_loss(np.array([[1.0, 0.0]], dtype=kind), np.array([1]))
        assert loss == pytest.approx(expected)


def test_a_training_and_a_table_of_probabilities_have_one_log_loss() -> None:
    logits = torch.tensor([[40.0, 0.0, 0.0], [0.3, 0.1, -2.0], [-1000.0, 0.0, 1.0]])
    labels = torch.tensor([1, 0, 0])
    log_probabilities = logits.log_softmax(dim=1)
    found = log_losses(log_probabilities, labels)
    assert found[0] == found[2] == pytest.approx(-math.log(np.finfo(np.float32).eps))
    expected = log_loss(log_probabilities.exp().numpy(), labels.numpy())
    assert float(found.mean()) == pytest.approx(expected, rel=1e-6)
