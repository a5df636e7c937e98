"""Augmentation against the training step of a [512, 512] net; bfloat16 against float32."""

from functools import partial
from statistics import median
from time import perf_counter

import torch

from src.data.augmentation import augment
from src.data.mnist import Mnist
from src.data.module import to_tensors
from src.data.source import Dataset
from src.models.probabilities import scale
from src.process.machine import available_cores
from src.training.fit import build_classifier
from tests.benchmarks.measure import alternate, say
from tests.plans import fit_of, plan_of

BATCHES = 20
"""Minibatches a repeat."""


def main() -> None:
    """Print the cost of augmentation and the gain of bfloat16."""
    dataset = Mnist(rows=20_000, validation_size=5000).load()
    augmentation(dataset)
    precision(dataset)


def augmentation(dataset: Dataset) -> None:
    """One minibatch distorted against one step of [512, 512] in float32, same threads."""
    for threads in sorted({1, available_cores()}):
        torch.set_num_threads(threads)
        for batch_size in (32, 128, 512):
            print(f"{BATCHES} minibatches of {batch_size}, {threads} threads")
            images, labels = (t[:batch_size] for t in to_tensors(dataset.train))
            seconds = alternate(
                {
                    "step": _step(dataset, images, labels),
                    "augment": partial(_timed, partial(_augment, scale(images))),
                },
                repeats=9,
            )
            say("training step of [512, 512], AdamW", seconds["step"])
            say("augment(), affine and elastic", seconds["augment"], seconds["step"])


def _augment(images: torch.Tensor) -> None:
    augment(images, strength=1.0)


def _step(dataset: Dataset, images: torch.Tensor, labels: torch.Tensor) -> partial[float]:
    """Return the timed steps of the classifier's own loss and optimizer."""
    plan = plan_of("model=dnn", "model.hidden_sizes=[512,512]", "regularization=none")
    classifier = build_classifier(plan, dataset)
    [optimizer], _ = classifier.configure_optimizers()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss, _ = classifier._minibatch_loss(scale(images), labels)
        loss.backward()
        optimizer.step()

    return partial(_timed, step)


def _timed(work) -> float:
    began = perf_counter()
    for _ in range(BATCHES):
        work()
    return perf_counter() - began


def precision(dataset: Dataset) -> None:
    """Seconds of an epoch of 15,000 images on one thread, batch 512, in both precisions."""
    import tempfile
    from pathlib import Path

    def epoch(width: int, precision: str) -> float:
        plan = plan_of(
            "model=dnn",
            f"model.hidden_sizes=[{width},{width}]",
            f"trainer.precision={precision}",
            *("regularization=none", "trainer.batch_size=512"),
            *("trainer.max_epochs=3", "trainer.threads=1"),
        )
        with tempfile.TemporaryDirectory() as folder:
            history = fit_of(plan, dataset, Path(folder)).classifier.history
        return median(epoch["seconds"] for epoch in history)

    for width in (128, 512, 1024):
        print(f"an epoch of 15,000 images, [{width}, {width}], batch 512, one thread")
        seconds = alternate(
            {name: partial(epoch, width, name) for name in ("float32", "bfloat16")}, repeats=3
        )
        say("trainer.precision=float32", seconds["float32"])
        say("trainer.precision=bfloat16", seconds["bfloat16"], seconds["float32"])


if __name__ == "__main__":
    main()
