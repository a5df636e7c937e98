"""The one LightningModule: trains and validates any model that maps images to logits."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import prod
from time import perf_counter
from typing import Any, Literal, final

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from src.config.plan import Loss
from src.config.settings import Regularization
from src.data.augmentation import augment, thicken
from src.data.module import derived_seed
from src.models.input_dropout import InputDropout
from src.models.probabilities import log_losses, log_probabilities, scale

SNAPSHOT_STEPS = frozenset(n * 10**power for power in range(1, 9) for n in (1, 3))
"""Minibatch steps after which the first layer is kept: 10, 30, 100, 300, ..."""


@final
class Classifier(pl.LightningModule):
    """Any model around which a training runs; knows nothing of trials, runs or files.

    history: one dict an epoch, of `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`,
    `lr` and `seconds`; without validation images it has no `val_*`. Losses are the log loss in nats
    per image, whatever is minimised: of the training images with dropout and augmentation.
    confusion: int64 `[K, K]` of the last validation, rows true, columns predicted.
    paper: value of the images' background, 0..1: what distortions bring in, and dropout leaves.
    description: plain values from which the model can be built again; kept in each checkpoint.
    before_step and on_snapshot are called before each minibatch, and with the step and the first
    layer's weights `[U, C * H * W]` at steps 0, 10, 30, 100, 300, ...
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        num_classes: int,
        paper: float,
        loss: Loss,
        regularization: Regularization,
        batch_size: int,
        loss_reduction: Literal["mean", "sum"],
        gradient_clip_norm: float | None,
        precision: Literal["float32", "bfloat16", "auto"],
        seed: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., LRScheduler],
        description: dict[str, Any],
        before_step: Callable[[], None] = lambda: None,
        on_snapshot: Callable[[int, Tensor], None] = lambda step, weights: None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.num_classes = num_classes
        self.loss = loss
        self.history: list[dict[str, float]] = []
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.steps = 0
        self._before_step = before_step
        self._on_snapshot = on_snapshot
        self._regularization = regularization
        self._paper = paper
        for dropout in (part for part in model.modules() if isinstance(part, InputDropout)):
            dropout.paper = paper
        self._batch_size = batch_size
        self._loss_factor = batch_size if loss_reduction == "sum" else 1
        self._gradient_clip_norm = gradient_clip_norm
        self._layers_in: Callable[[str], AbstractContextManager] = nullcontext
        if precision == "bfloat16":
            self._layers_in = partial(torch.autocast, dtype=torch.bfloat16)
        self._seed = seed
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._description = description
        smoothing = regularization.label_smoothing
        loss_function = cross_entropy if loss == "softmax" else one_vs_rest
        self._loss_function = partial(loss_function, smoothing=smoothing)
        self._weights = [p for p in model.parameters() if p.ndim > 1]

    def configure_optimizers(self) -> Any:
        """Build the optimizer; weight decay covers weights, not biases or norms."""
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": self._weights}, {"params": others, "weight_decay": 0.0}]
        optimizer = self._optimizer(params=groups)
        return [optimizer], [self._scheduler(optimizer=optimizer)]

    def on_fit_start(self) -> None:
        """Keep the first layer as it was drawn."""
        if self.steps == 0:
            self._snapshot()

    def on_train_epoch_start(self) -> None:
        """Make all that is random in this epoch a function of seed and epoch."""
        torch.manual_seed(derived_seed("noise", self._seed, self.current_epoch))
        self._epoch_began = perf_counter()
        self._epoch_losses: list[Tensor] = []
        self._epoch_correct = torch.zeros((), dtype=torch.int64, device=self.device)

    def training_step(self, chunk: tuple[Tensor, Tensor], index: int) -> None:
        """Take one optimizer step for each of a chunk's `steps_per_execution` minibatches."""
        wrapped = self.optimizers()
        optimizer = self.optimizers(use_pl_optimizer=False)
        scheduler = self.lr_schedulers()
        assert not isinstance(wrapped, list)
        assert not isinstance(optimizer, list)
        assert isinstance(scheduler, LRScheduler)
        pixels, labels = chunk
        minibatches = list(
            zip(pixels.split(self._batch_size), labels.split(self._batch_size), strict=True)
        )
        outputs = []
        for number, (images, targets) in enumerate(minibatches, start=1):
            self._before_step()
            optimizer.zero_grad(set_to_none=True)
            loss, logits = self._minibatch_loss(scale(images), targets)
            (loss + self._penalty()).backward()
            if self._gradient_clip_norm is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self._gradient_clip_norm)
            # callbacks need global_step to move, which only the wrapper's step does: once a chunk
            (wrapped if number == len(minibatches) else optimizer).step()
            scheduler.step()
            outputs.append(logits.detach())
            self.steps += 1
            if self.steps in SNAPSHOT_STEPS:
                self._snapshot()
        predicted = log_probabilities(torch.cat(outputs), self.loss)
        self._epoch_losses.append(log_losses(predicted, labels))
        self._epoch_correct += (predicted.argmax(dim=1) == labels).sum()

    def on_validation_epoch_start(self) -> None:
        """Forget the previous epoch."""
        self._val_loss = torch.zeros((), device=self.device)
        self._counts = torch.zeros(self.num_classes**2, dtype=torch.int64, device=self.device)

    def validation_step(self, chunk: tuple[Tensor, Tensor], index: int) -> None:
        """Add the chunk to the confusion matrix and the log loss."""
        pixels, labels = chunk
        if len(labels) == 0:
            return
        predicted = log_probabilities(self.model(scale(pixels)), self.loss)
        self._val_loss += log_losses(predicted, labels).sum()
        pairs = labels * self.num_classes + predicted.argmax(dim=1)
        self._counts += torch.bincount(pairs, minlength=self.num_classes**2)

    def on_validation_epoch_end(self) -> None:
        """Add the epoch's numbers to `history`.

        Lightning calls this before `on_train_epoch_end`, where fit.py's callback reads them.
        """
        self.confusion = self._counts.reshape(self.num_classes, self.num_classes).cpu()
        total = int(self.confusion.sum())
        scheduler = self.lr_schedulers()
        assert isinstance(scheduler, LRScheduler)
        validation: dict[str, float] = {}
        if total:
            validation["val_loss"] = float(self._val_loss) / total
            validation["val_accuracy"] = int(self.confusion.trace()) / total
            self.log_dict(validation)  # for ModelCheckpoint and EarlyStopping alone
        losses = torch.cat(self._epoch_losses)  # summed at once: chunks would round otherwise
        epoch = {
            "train_loss": float(losses.sum()) / len(losses),
            "train_accuracy": int(self._epoch_correct) / len(losses),
            **validation,
            "lr": float(scheduler.get_last_lr()[0]),
            "seconds": perf_counter() - self._epoch_began,
        }
        self.history.append(epoch)

    @property
    def seconds(self) -> float:
        """Seconds spent in finished epochs, validation included."""
        return sum(epoch["seconds"] for epoch in self.history)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed training needs beside the tensors, as plain numbers."""
        checkpoint["description"] = self._description
        checkpoint["progress"] = {"history": self.history, "steps": self.steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting where the interrupted training stopped."""
        self.history = checkpoint["progress"]["history"]
        self.steps = checkpoint["progress"]["steps"]

    def _minibatch_loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if strength := self._regularization.augmentation:
            images = augment(images, strength=strength, paper=self._paper)
        if amount := self._regularization.thickness:
            images = thicken(images, amount=amount)
        # not around several steps: until its end autocast reuses the weights it has rounded
        with self._layers_in(self.device.type):
            logits = self.model(images)
        logits = logits.float()
        return self._loss_function(logits, labels) * self._loss_factor, logits

    def _penalty(self) -> Tensor | float:
        l1, l2 = self._regularization.l1, self._regularization.l2
        penalty: Tensor | float = 0.0
        if l1:
            penalty = penalty + l1 * sum(w.abs().sum() for w in self._weights)
        if l2:
            penalty = penalty + l2 * sum(w.square().sum() for w in self._weights)
        return penalty

    @property
    def is_linear(self) -> bool:
        """Whether the model has but one layer of weights."""
        return len(self._weights) == 1 and self.first_layer() is not None

    def first_layer(self) -> Tensor | None:
        """Return a copy of the first layer's weights on the processor, `[U, C * H * W]`.

        None where the first layer does not give every pixel a weight, as a convolution.
        """
        if not self._weights:
            return None
        first = self._weights[0].detach()
        dense = first.shape[1:] == (prod(self._description["image_shape"]),)
        return first.to("cpu", copy=True) if dense else None

    def _snapshot(self) -> None:
        weights = self.first_layer()
        if weights is not None:
            self._on_snapshot(self.steps, weights)


def cross_entropy(logits: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """Return the mean softmax cross-entropy in nats; smoothing as Szegedy et al. (2016)."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def one_vs_rest(logits: Tensor, labels: Tensor, *, smoothing: float) -> Tensor:
    """Return the mean over images of the summed log losses of K yes-or-no classifiers, in nats."""
    num_classes = logits.shape[1]
    targets = F.one_hot(labels, num_classes).to(logits.dtype)
    targets = targets * (1 - smoothing) + smoothing / num_classes
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)
