"""Distortions of digits: each image in its own way, and still the same digit."""

import pytest
import torch

from src.data.augmentation import augment
from src.data.module import scale, to_tensors
from tests.plans import QUICK, dataset_of, fit_of, plan_of


@pytest.fixture(scope="module")
def digits():
    """Return real digits, float32 `[359, 1, 8, 8]` in 0..1, and their labels."""
    pixels, labels = to_tensors(dataset_of(plan_of(*QUICK)).validation)
    return scale(pixels), labels


def distorted(images, strength, seed=0):
    torch.manual_seed(seed)
    return augment(images, strength=strength)


def test_strength_0_changes_nothing(digits):
    torch.testing.assert_close(distorted(digits[0], 0.0), digits[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (5, 3, 16, 12), (1, 1, 8, 8), (2, 1, 1, 1)])
def test_the_form_is_kept_and_the_values_stay_in_their_range(shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    out = distorted(images, 2.0)
    assert out.shape == images.shape
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= images.max() + 1e-6


def test_every_image_is_distorted_in_its_own_way(digits):
    copies = distorted(digits[0][:1].expand(20, -1, -1, -1), 1.0)
    differences = torch.cdist(copies.flatten(1), copies.flatten(1))
    assert differences[~torch.eye(20, dtype=torch.bool)].min() > 0.05


def test_the_seed_decides_the_distortions(digits):
    assert torch.equal(distorted(digits[0], 1.0), distorted(digits[0], 1.0))
    assert not torch.equal(distorted(digits[0], 1.0), distorted(digits[0], 1.0, seed=1))


def test_more_strength_distorts_more(digits):
    sizes = [float((distorted(digits[0], s) - digits[0]).abs().mean()) for s in (0.1, 0.5, 1, 2)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 5


def test_ink_moves_and_is_not_lost(digits):
    images = digits[0]
    big = torch.nn.functional.pad(images, (4, 4, 4, 4))
    kept = distorted(big, 1.0).sum(dim=(1, 2, 3)) / big.sum(dim=(1, 2, 3))
    assert 0.9 < kept.mean() < 1.1
    assert kept.min() > 0.5


def test_distorted_digits_are_still_recognised(digits, tmp_path):
    images, labels = digits

    def recogniser(name, *line):
        folder = tmp_path / name
        folder.mkdir()
        plan = plan_of(*QUICK, "trainer.max_epochs=20", "trainer.batch_size=32", *line)
        model = fit_of(plan, dataset_of(plan), folder).classifier.model.eval()

        def accuracy(strength):
            with torch.no_grad():
                right = model(distorted(images, strength)).argmax(1) == labels
            return float(right.float().mean())

        return accuracy

    plain = recogniser("plain")
    assert plain(0.0) > 0.94
    assert plain(0.3) > 0.9
    assert plain(1.0) > 0.65  # at 8 x 8 pixels a shift of one pixel is much
    practised = recogniser("practised", "regularization=augment")
    assert practised(1.0) > 0.85
    assert practised(0.0) > 0.94
