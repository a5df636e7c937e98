"""All images in memory on the training device, handed out many minibatches at a time."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import final

import pytorch_lightning as pl
import torch
from torch import Tensor

from src.data.source import Dataset, LabelledImages


@final
class InMemoryData(pl.LightningDataModule):
    """Train and validation images as tensors on the device; no per-image Python.

    One item of the training loader is `steps_per_execution` minibatches in one piece: pixels
    uint8 `[M, C, H, W]` and labels int64 `[M]`. An incomplete last minibatch of an epoch is left
    out; the next epoch draws another order. The order is a function of seed and epoch alone, so
    a resumed training sees the same minibatches as an uninterrupted one.
    """

    VALIDATION_ROWS = 4096
    """Images per forward pass of a validation."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        steps_per_epoch: int,
        steps_per_execution: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.train = to_tensors(dataset.train)
        self.validation = to_tensors(dataset.validation)
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self._rows_per_chunk = self.batch_size * steps_per_execution
        self._seed = seed

    def setup(self, stage: str) -> None:
        """Move the images to the training device."""
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        self.train = tuple(t.to(device) for t in self.train)
        self.validation = tuple(t.to(device) for t in self.validation)

    def train_dataloader(self) -> "_Chunks":
        """Return the training minibatches, in another order every epoch."""
        rows = self.steps_per_epoch * self.batch_size
        return _Chunks(self.train, rows, self._rows_per_chunk, self._epoch_order)

    def val_dataloader(self) -> "_Chunks":
        """Return the validation images in their own order; of none, one empty chunk.

        So that the hooks of validation are called all the same.
        """
        return _Chunks(self.validation, len(self.validation[1]), self.VALIDATION_ROWS, None)

    def _epoch_order(self) -> Tensor:
        assert self.trainer is not None
        seed = derived_seed("order", self._seed, self.trainer.current_epoch)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train[1]), generator=generator)
        return order.to(self.train[1].device)


@final
class _Chunks:
    """Slices of the images, gathered in one operation each."""

    def __init__(
        self,
        images: tuple[Tensor, ...],
        rows: int,
        rows_per_chunk: int,
        order: Callable[[], Tensor] | None,
    ) -> None:
        self._images = images
        self._rows = rows
        self._rows_per_chunk = rows_per_chunk
        self._order = order

    def __len__(self) -> int:
        return max(1, -(-self._rows // self._rows_per_chunk))  # no images: a chunk of none

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        if self._order is None:
            yield from zip(*(t.split(self._rows_per_chunk) for t in self._images), strict=True)
            return
        for rows in self._order()[: self._rows].split(self._rows_per_chunk):
            # many times faster than t[rows] on a processor, which goes by single elements
            yield tuple(t.index_select(0, rows) for t in self._images)


def to_tensors(images: LabelledImages) -> tuple[Tensor, ...]:
    """Return pixels uint8 `[N, C, H, W]` and labels int64 `[N]` as tensors."""
    return torch.from_numpy(images.pixels), torch.from_numpy(images.labels)


def derived_seed(purpose: str, *parts: int) -> int:
    """Return a seed of 32 bits, all that torch's generator uses, for one purpose of its own."""
    text = ":".join([purpose, *map(str, parts)])
    return int.from_bytes(sha256(text.encode()).digest()[:4], "little")
