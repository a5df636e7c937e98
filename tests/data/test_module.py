"""Images in memory, handed out many at a time: every one once an epoch, in an order of its own."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from src.data.module import InMemoryData, derived_seed
from src.data.source import Dataset, LabelledImages
from src.models.probabilities import scale

ROWS = 103

pytestmark = pytest.mark.filterwarnings("ignore:::pytorch_lightning")


def numbered(count):
    """Return images that know their own number: it is their label, and their only pixel."""
    numbers = np.arange(count)
    return LabelledImages(numbers.astype(np.uint8).reshape(-1, 1, 1, 1), numbers)


class Watcher(pl.LightningModule):
    """Trains nothing and writes down what it is given."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.epochs, self.validated, self.sizes = [], [], []

    def configure_optimizers(self):
        return None

    def on_train_epoch_start(self):
        self.epochs.append([])
        self.validated.append([])

    def training_step(self, batch, index):
        pixels, labels = batch
        assert torch.equal(pixels.flatten().long(), labels)
        assert pixels.dtype == torch.uint8
        self.sizes.append(len(labels))
        self.epochs[-1] += labels.tolist()

    def validation_step(self, batch, index):
        self.validated[-1] += batch[1].tolist()


def watch(*, seed=1, batch_size=10, steps_per_execution=4, max_epochs=3):
    dataset = Dataset(numbered(ROWS), numbered(17), ("a", "b"), "", "")
    data = InMemoryData(
        dataset,
        batch_size=batch_size,
        steps_per_epoch=ROWS // batch_size,
        steps_per_execution=steps_per_execution,
        seed=seed,
    )
    watcher = Watcher()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=max_epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(watcher, data)
    return watcher


def test_an_epoch_hands_out_every_image_at_most_once_in_full_minibatches():
    for epoch in watch().epochs:
        assert len(epoch) == len(set(epoch)) == 100
        assert set(epoch) <= set(range(ROWS))


def test_what_an_epoch_leaves_out_comes_in_another():
    seen = set().union(*watch(max_epochs=8).epochs)
    assert seen == set(range(ROWS))


def test_the_order_is_a_function_of_seed_and_epoch():
    one, same, other = watch().epochs, watch().epochs, watch(seed=2).epochs
    assert one == same
    assert one[0] != one[1] != one[2]
    assert all(a != b for a, b in zip(one, other, strict=True))
    assert watch(max_epochs=2).epochs == one[:2]


@pytest.mark.parametrize("at_once", [1, 3, 10, 1000])
def test_the_order_does_not_depend_on_how_many_minibatches_come_at_once(at_once):
    watcher = watch(steps_per_execution=at_once)
    assert watcher.epochs == watch(steps_per_execution=1).epochs
    assert set(watcher.sizes) <= {10 * at_once, 100 % (10 * at_once) or 10 * at_once}


def test_validation_images_come_in_their_own_order():
    assert watch().validated == [list(range(17))] * 3


def test_a_minibatch_can_be_all_of_the_data():
    assert [sorted(epoch) for epoch in watch(batch_size=ROWS).epochs] == [list(range(ROWS))] * 3


def test_pixels_are_scaled_to_0_1():
    scaled = scale(torch.arange(256, dtype=torch.uint8))
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled, torch.linspace(0, 1, 256))


def test_no_two_epochs_of_nearby_seeds_share_their_randomness():
    seeds = [derived_seed("order", seed, epoch) for seed in range(50) for epoch in range(200)]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**32  # all that torch's generator on the processor makes use of


def test_order_and_noise_of_an_epoch_do_not_share_their_randomness():
    assert derived_seed("order", 1, 1) != derived_seed("noise", 1, 1)


def test_seeds_far_apart_give_other_orders():
    """torch drops all but 32 bits of a seed: 1 and 4097 once gave the same training."""
    orders = [
        torch.randperm(50, generator=torch.Generator().manual_seed(derived_seed("order", s, 0)))
        for s in (1, 1 + 4096, 1 + 2**31)
    ]
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
