"""Lightning trains one classifier: from first to best epoch, resumable at every epoch."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn

from src.config.plan import Plan
from src.data.augmentation import paper_level
from src.data.module import InMemoryData, derived_seed
from src.data.source import Dataset
from src.errors import ConfigError, TrainingFailed
from src.models.checkpoints import WholeCheckpoints, read_checkpoint
from src.models.classifier import Classifier
from src.models.predictor import Predictor, count_parameters
from src.process.machine import available_cores
from src.training.device import find_device
from src.training.progress import EpochReporter, numbers
from src.training.record import warnings_logged, write_log
from src.training.series import keep_array, kept_arrays

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)

CONFUSION_EPOCHS = frozenset(2**power for power in range(16))
"""Epochs, from 1, whose confusion matrix is kept for the series; the best one is added."""


@final
@dataclass(frozen=True)
class Fit:
    """What a training left: the classifier with the weights of the epoch that was kept.

    best_epoch: the epoch that is kept, from 1; select: why, "best" or "last". weights: first layer
    float32 `[U, C * H * W]` by minibatch step, the kept epoch's last; none where the first layer is
    not dense. accuracies: on the validation images, 0..1, at the same steps.
    confusions: int64 `[K, K]` of the validation images by epoch.
    """

    classifier: Classifier
    predictor: Predictor
    parameters: int
    best_epoch: int
    select: str
    weights: dict[int, np.ndarray]
    accuracies: dict[int, float]
    confusions: dict[int, np.ndarray]
    checkpoint: Path


def build_classifier(plan: Plan, dataset: Dataset, **callbacks: Callable[..., None]) -> Classifier:
    """Build the model with its initial weights drawn from the plan's seed.

    callbacks: `before_step` and `on_snapshot`, as Classifier takes them.
    Raises ConfigError where model, optimizer or scheduler refuse their arguments.
    """
    torch.manual_seed(derived_seed("weights", plan.seed))
    num_classes = len(dataset.class_names)
    image_shape = dataset.train.pixels.shape[1:]
    batch_size, steps_per_epoch = minibatches(plan, dataset)
    total_steps = steps_per_epoch * plan.trainer.max_epochs
    classifier = Classifier(
        plan.model.build(image_shape=image_shape, num_classes=num_classes),
        num_classes=num_classes,
        paper=paper_level(dataset.train.pixels),
        loss=plan.loss,
        regularization=plan.regularization,
        batch_size=batch_size,
        loss_reduction=plan.trainer.loss_reduction,
        gradient_clip_norm=plan.trainer.gradient_clip_norm,
        precision=plan.trainer.precision,
        seed=plan.seed,
        optimizer=plan.optimizer.build,
        scheduler=partial(plan.scheduler.build, total_steps=total_steps),
        description={
            "model": {"target": plan.model.target, "arguments": plan.model.arguments},
            "loss": plan.loss,
            "image_shape": list(image_shape),
            "class_names": list(dataset.class_names),
        },
        **callbacks,
    )
    if batch_size == 1 and any(isinstance(m, nn.BatchNorm1d) for m in classifier.modules()):
        raise ConfigError("`trainer.batch_size`=1: batch norm needs at least 2 images to normalise")
    classifier.configure_optimizers()  # a wrong argument shows before a run is started
    return classifier


def require_trainable(plan: Plan, dataset: Dataset) -> None:
    """Raise ConfigError where this machine, or the data, do not let the plan be trained."""
    find_device(plan.trainer.accelerator)
    build_classifier(plan, dataset)


def minibatches(plan: Plan, dataset: Dataset) -> tuple[int, int]:
    """Return the images in a minibatch, and the minibatches in an epoch.

    Raises ConfigError where there are not as many images as the plan wants for an epoch.
    """
    batch_size = min(plan.trainer.batch_size, len(dataset.train))
    most = len(dataset.train) // batch_size
    steps = plan.trainer.steps_per_epoch or most
    if steps > most:
        raise ConfigError(
            f"`trainer.steps_per_epoch`={steps}: {len(dataset.train):,} training images are only "
            f"{most} minibatches of {batch_size}; lower it, and raise `trainer.max_epochs` instead"
        )
    return batch_size, steps


def fit(
    classifier: Classifier,
    plan: Plan,
    dataset: Dataset,
    *,
    folder: Path,
    log_epoch: Callable[[int, dict[str, float]], None],
    reporter: EpochReporter,
    check_stop: Callable[[], None],
) -> Fit:
    """Train until the last epoch or an early stop, from `folder`/last.ckpt where there is one.

    log_epoch is called with each finished epoch, from 1, and its numbers. check_stop raises what
    ends a training that a signal has ended. Raises TrainingFailed when the loss is NaN.
    """
    torch.set_num_threads(plan.trainer.threads or available_cores())
    last = folder / "last.ckpt"
    resumed = last if last.exists() else None
    best = ModelCheckpoint(
        folder,
        "best",
        monitor="val_accuracy" if plan.trainer.select == "best" else None,
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    every = ModelCheckpoint(
        folder, "last", enable_version_counter=False, save_on_train_epoch_end=True
    )
    callbacks = [_Epochs(folder, reporter, log_epoch), best, every]
    if plan.regularization.patience is not None:
        patience = plan.regularization.patience
        callbacks.insert(0, EarlyStopping("val_accuracy", mode="max", patience=patience))
    trainer = pl.Trainer(
        accelerator=find_device(plan.trainer.accelerator),
        devices=1,
        max_epochs=_last_epoch(plan, last),
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        default_root_dir=folder,
        deterministic="warn" if torch.cuda.is_available() else None,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    batch_size, steps_per_epoch = minibatches(plan, dataset)
    data = InMemoryData(
        dataset,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        steps_per_execution=plan.trainer.steps_per_execution,
        seed=plan.seed,
    )
    with warnings_logged(folder), reporter:
        try:
            trainer.fit(classifier, data, ckpt_path=resumed, weights_only=True)
        except SystemExit:  # Lightning's own answer to SIGTERM, with exit code 0
            check_stop()
            raise
    checkpoint = Path(best.best_model_path)
    stored = read_checkpoint(checkpoint)
    classifier.load_state_dict(stored["state_dict"])
    best_epoch = len(stored["progress"]["history"])
    last_step: int = stored["progress"]["steps"]  # of that epoch; later ones are not this model's
    weights = {s: w for s, w in kept_arrays(folder / "weights").items() if s <= last_step}
    kept = kept_arrays(folder / "accuracies").items()
    accuracies = {step: float(accuracy) for step, accuracy in kept if step <= last_step}
    if len(dataset.validation):
        accuracies[last_step] = stored["progress"]["history"][-1]["val_accuracy"]
    last_weights = classifier.first_layer()
    if last_weights is not None:
        weights[last_step] = last_weights.numpy()
    return Fit(
        classifier=classifier,
        predictor=Predictor(
            classifier.model,
            loss=classifier.loss,
            class_names=dataset.class_names,
            image_shape=dataset.train.pixels.shape[1:],
        ),
        parameters=count_parameters(classifier.model),
        best_epoch=best_epoch,
        select=plan.trainer.select,
        weights=weights,
        accuracies=accuracies,
        confusions=kept_arrays(folder / "confusions"),
        checkpoint=checkpoint,
    )


def _last_epoch(plan: Plan, checkpoint: Path) -> int:
    """Return when to end: at once, where the interrupted training had already stopped early."""
    patience = plan.regularization.patience
    if patience is None or not checkpoint.exists():
        return plan.trainer.max_epochs
    history = read_checkpoint(checkpoint)["progress"]["history"]
    accuracies = [epoch["val_accuracy"] for epoch in history]
    waited = len(accuracies) - 1 - accuracies.index(max(accuracies))
    return len(accuracies) if waited >= patience else plan.trainer.max_epochs


@final
class _Epochs(pl.Callback):
    """Passes each finished epoch on, and ends a training whose loss is NaN."""

    def __init__(
        self,
        folder: Path,
        reporter: EpochReporter,
        log_epoch: Callable[[int, dict[str, float]], None],
    ) -> None:
        self._folder = folder
        self._reporter = reporter
        self._log_epoch = log_epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Move the progress on by one chunk."""
        done = (index + 1) / trainer.num_training_batches
        self._reporter.advance(epochs_done=trainer.current_epoch + done)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Pass the epoch's numbers on."""
        assert isinstance(module, Classifier)
        number, metrics = len(module.history), module.history[-1]
        for name in ("train_loss", "val_loss"):
            if not math.isfinite(metrics.get(name, 0.0)):
                raise TrainingFailed(
                    f"{name} is {metrics[name]} in epoch {number}; lower `optimizer.lr` or set "
                    "`trainer.gradient_clip_norm`"
                )
        if number in CONFUSION_EPOCHS and "val_loss" in metrics:
            keep_array(self._folder / "confusions", number, module.confusion)
        self._log_epoch(number, metrics)
        self._reporter.epoch(number, metrics)
        write_log(self._folder, f"epoch {number}/{trainer.max_epochs}  {numbers(metrics)}")
