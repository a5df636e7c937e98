"""What others would search with in an hour's work: the references of `bench_race.py`.

`python -m tests.benchmarks.references KIND SECONDS SEED FOLDER` searches on MNIST's 15,000 training
and 5,000 validation rows for SECONDS, and appends "seconds accuracy" to FOLDER/reached for each
configuration that is trained to the end. FOLDER/first.pkl and FOLDER/best.pkl are the first model
and that of the best accuracy, with its configuration. The space is that of `sweeps/dnn.yaml`;
scikit-learn, which has no dropout, varies its L2 penalty instead.
"""

import copy
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any

import numpy as np

EPOCHS = 10

Tell = Callable[[float, Any, dict[str, Any]], None]
"""Hears of every configuration that was trained to the end: accuracy, model, configuration."""


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training and validation pixels in [0, 1], float32 `[N, 784]`, each with its labels.

    Every seed is another sample and another split of it.
    """
    from src.data.mnist import Mnist

    dataset = Mnist(rows=20_000, validation_size=5000, sample_seed=seed, split_seed=seed).load()
    train, validation = (
        part.pixels.reshape(len(part), -1) / np.float32(255)
        for part in (dataset.train, dataset.validation)
    )
    return train, dataset.train.labels, validation, dataset.validation.labels


def draw(trial: Any) -> dict[str, Any]:
    """Ask an Optuna trial for a configuration."""
    depth = trial.suggest_int("layers", 1, 4)
    return {
        "sizes": [trial.suggest_int(f"width {n}", 16, 1024, log=True) for n in range(depth)],
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "batch_size": trial.suggest_int("batch_size", 32, 512, log=True),
    }


def dense(sizes: list[int], dropout: float) -> Any:
    """Return the network of a configuration."""
    from torch import nn

    layers: list[nn.Module] = []
    for before, after in pairwise([784, *sizes]):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def search(
    train: Callable[[dict[str, Any]], Iterator[tuple[float, Any]]], seed: int, tell: Tell
) -> None:
    """Let Optuna's TPE sampler and median pruner search.

    train yields the accuracy on the validation images and the network after each epoch; as most
    loops do, a configuration is judged by its best epoch.
    """
    import optuna

    def objective(trial: Any) -> float:
        best, kept, made = 0.0, None, draw(trial)
        for epoch, (accuracy, net) in enumerate(train(made)):
            if accuracy > best:
                best, kept = accuracy, copy.deepcopy(net)
            trial.report(accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        tell(best, kept, made)
        return best

    study_of(seed).optimize(objective)


def study_of(seed: int) -> Any:
    """Return a study with Optuna's TPE sampler and median pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )


def epochs_of(made: dict[str, Any], train_x: Any, train_y: Any) -> Iterator[Any]:
    """Train a configuration in bare PyTorch; yield the network after each epoch."""
    import torch
    import torch.nn.functional as F

    net = dense(made["sizes"], made["dropout"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=made["lr"])
    steps = EPOCHS * -(-len(train_y) // made["batch_size"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, made["lr"], total_steps=steps)
    for _ in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(train_y)).split(made["batch_size"]):
            optimizer.zero_grad()
            F.cross_entropy(net(train_x[batch]), train_y[batch]).backward()
            optimizer.step()
            schedule.step()
        net.eval()
        yield net


def refit(made: dict[str, Any], seed: int) -> Any:
    """Train a configuration on training and validation rows together; return the last epoch's."""
    import torch

    torch.manual_seed(seed)
    train_x, train_y, val_x, val_y = map(torch.from_numpy, rows(seed))
    *_, net = epochs_of(made, torch.cat([train_x, val_x]), torch.cat([train_y, val_y]))
    return net


def bare(seed: int, tell: Tell) -> None:
    """Optuna around a loop in bare PyTorch, in one process."""
    import torch

    torch.manual_seed(seed)
    train_x, train_y, val_x, val_y = map(torch.from_numpy, rows(seed))

    def train(made: dict[str, Any]) -> Iterator[tuple[float, Any]]:
        for net in epochs_of(made, train_x, train_y):
            with torch.no_grad():
                yield (net(val_x).argmax(1) == val_y).float().mean().item(), net

    search(train, seed, tell)


def lightning(seed: int, tell: Tell) -> None:
    """Optuna around Lightning with DataLoaders, as its documentation shows it, logging off."""
    import logging
    import warnings

    import optuna
    import pytorch_lightning as pl
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader, TensorDataset

    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    pl.seed_everything(seed)
    train_x, train_y, val_x, val_y = map(torch.from_numpy, rows(seed))

    class Net(pl.LightningModule):
        def __init__(self, made: dict[str, Any]) -> None:
            super().__init__()
            self.made = made
            self.net = dense(made["sizes"], made["dropout"])

        def training_step(self, batch: Any, index: int) -> Any:
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            right = (self.net(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("accuracy", right, batch_size=len(batch[1]))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), lr=self.made["lr"])
            steps = int(self.trainer.estimated_stepping_batches)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.made["lr"], steps)
            return [optimizer], [{"scheduler": cycle, "interval": "step"}]

    def objective(trial: Any) -> float:
        made, reached = draw(trial), []

        class Report(pl.Callback):
            def on_validation_end(self, trainer: Any, module: Any) -> None:
                reached.append(float(trainer.callback_metrics["accuracy"]))
                trial.report(reached[-1], trainer.current_epoch)
                if trial.should_prune():
                    trainer.should_stop = True

        trainer = pl.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[Report()],
        )
        size = made["batch_size"]
        loader = DataLoader(TensorDataset(train_x, train_y), batch_size=size, shuffle=True)
        net = Net(made)
        trainer.fit(net, loader, DataLoader(TensorDataset(val_x, val_y), batch_size=5000))
        if len(reached) < EPOCHS:
            raise optuna.TrialPruned
        tell(reached[-1], net.net.eval(), made)
        return reached[-1]

    study_of(seed).optimize(objective)


def sklearn(seed: int, tell: Tell) -> None:
    """Random search over scikit-learn's MLPClassifier, scored on the one fixed validation split.

    RandomizedSearchCV itself fits each configuration once a fold and tells nothing before the end;
    its ParameterSampler with the same split is what is fair to it.
    """
    import warnings

    from scipy.stats import loguniform
    from sklearn.model_selection import ParameterSampler
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")  # it would like more epochs
    train_x, train_y, val_x, val_y = rows(seed)
    draws = np.random.default_rng(seed)
    widths = [
        tuple(int(2 ** draws.uniform(4, 10)) for _ in range(depth)) for depth in (1, 2, 3, 4) * 50
    ]
    space = {
        "hidden_layer_sizes": widths,
        "learning_rate_init": loguniform(1e-4, 1e-1),
        "alpha": loguniform(1e-6, 1e-2),
        "batch_size": [int(2**power) for power in np.linspace(5, 9, 17)],
    }
    for made in ParameterSampler(space, n_iter=10_000, random_state=seed):
        net = MLPClassifier(**made, max_iter=EPOCHS, random_state=seed).fit(train_x, train_y)
        tell(net.score(val_x, val_y), net, made)


KINDS = {"bare": bare, "lightning": lightning, "sklearn": sklearn}


def main(kind: str, seconds: str, seed: str, output: str) -> None:
    """Search until the time is over."""
    import threading

    began = float(os.environ["BEGAN"])  # before Python was started
    threading.Timer(began + float(seconds) - time(), os._exit, (0,)).start()
    folder, best = Path(output), 0.0

    def tell(accuracy: float, model: Any, made: dict[str, Any]) -> None:
        nonlocal best
        with (folder / "reached").open("a") as lines:
            lines.write(f"{time() - began:.2f} {accuracy:.4f}\n")
        for name in ["first"] * (best == 0) + ["best"] * (accuracy > best):
            draft = folder / "draft"
            draft.write_bytes(pickle.dumps((model, made)))
            draft.replace(folder / f"{name}.pkl")
        best = max(best, accuracy)

    KINDS[kind](int(seed), tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
