"""One training against a bare PyTorch loop, scikit-learn, and the bare import of the libraries."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np
import torch
from torch import nn

from src.config.plan import Plan
from src.data.mnist import Mnist
from src.data.source import Dataset
from src.process.machine import available_cores
from src.training.device import find_device
from src.training.fit import build_classifier, fit
from src.training.progress import EpochReporter
from tests.benchmarks.measure import alternate, command_seconds, say
from tests.plans import plan_of, train_plan

IMPORTS = "import hydra, torch, pytorch_lightning, mlflow, matplotlib.figure, pandas"
LOOP = f"""
{IMPORTS}
from src.data.mnist import Mnist
from tests.benchmarks.bench_training import bare_loop
bare_loop(Mnist(rows=20_000, validation_size=5000).load(), epochs=5, hidden_sizes=())
"""
LINEAR = ("-m", "src.train", "model=linear", "trainer.max_epochs=5")
DNN = ("-m", "src.train", "model=dnn")


def main() -> None:
    """Print every measurement of one training."""
    throughput()
    sklearn()
    whole_commands()
    tracking_share()


def throughput() -> None:
    """784-128-128-10, batch 128, 60,000 rows, 3 epochs: ours against the loop one would write."""
    print("training throughput, 784-128-128-10, batch 128, 55,000 rows, 3 epochs")
    dataset = Mnist(validation_size=5000).load()
    plan = plan_of(
        "data=mnist",
        "model.hidden_sizes=[128,128]",
        "regularization=none",
        "optimizer=adam",
        "optimizer.lr=1e-3",
        "scheduler=constant",
        "trainer.max_epochs=3",
    )
    seconds = alternate(
        {"bare": lambda: bare_loop(dataset, epochs=3), "ours": lambda: ours(plan, dataset)},
        repeats=5,
    )
    say("bare PyTorch loop, validated every epoch", seconds["bare"])
    say("fit(): the same net, with checkpoints", seconds["ours"], seconds["bare"])
    print(f"  throughput {median(seconds['bare']) / median(seconds['ours']):.2f} of the loop's")


def ours(plan: Plan, dataset: Dataset) -> float:
    """Return the seconds of a whole fit."""
    classifier = build_classifier(plan, dataset)
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        fit(
            classifier,
            plan,
            dataset,
            folder=Path(folder),
            log_epoch=lambda epoch, metrics: None,
            reporter=EpochReporter(),
            check_stop=lambda: None,
        )
        return perf_counter() - began


def bare_loop(
    dataset: Dataset,
    *,
    epochs: int,
    hidden_sizes: Sequence[int] = (128, 128),
    batch_size: int = 128,
) -> float:
    """Return the seconds of the loop a PyTorch user writes, data in memory as floats.

    On a GPU where there is one, as ours.
    """
    torch.manual_seed(1)
    torch.set_num_threads(available_cores())
    device = find_device("auto")
    images, val_images = (
        torch.from_numpy(part.pixels).float().div_(255).flatten(1).to(device)
        for part in (dataset.train, dataset.validation)
    )
    labels, val_labels = (
        torch.from_numpy(part.labels).to(device) for part in (dataset.train, dataset.validation)
    )
    widths = [784, *hidden_sizes]
    hidden = [(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    net = nn.Sequential(*chain.from_iterable(hidden), nn.Linear(widths[-1], 10)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    began = perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for rows in order.split(batch_size):
            optimizer.zero_grad()
            loss = loss_function(net(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            (net(val_images).argmax(1) == val_labels).float().mean().item()
    return perf_counter() - began


def sklearn() -> None:
    """The same net and epochs in scikit-learn's MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    print("against scikit-learn, 784-256-128-10, batch 128, 15,000 rows, 5 epochs")
    dataset = Mnist(rows=20_000, validation_size=5000).load()
    plan = plan_of("model=dnn", "regularization=none", "scheduler=constant", "trainer.max_epochs=5")
    flat = dataset.train.pixels.reshape(len(dataset.train), -1).astype(np.float32) / 255

    def mlp() -> float:
        net = MLPClassifier((256, 128), batch_size=128, max_iter=5, learning_rate_init=1e-3)
        began = perf_counter()
        net.fit(flat, dataset.train.labels)
        return perf_counter() - began

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn would like more epochs
        seconds = alternate({"sklearn": mlp, "ours": lambda: ours(plan, dataset)}, repeats=3)
    say("MLPClassifier.fit, no validation", seconds["sklearn"])
    say("fit(): validated every epoch, with checkpoints", seconds["ours"], seconds["sklearn"])


def whole_commands() -> None:
    """`src.train` from the command line against the bare import of what it loads."""
    print("whole commands, cold processes")
    with tempfile.TemporaryDirectory() as used:
        command_seconds(*LINEAR, f"tracking.folder={used}")
        seconds = alternate(
            {
                "two": lambda: command_seconds("-c", "import torch, pytorch_lightning"),
                "imports": lambda: command_seconds("-c", IMPORTS),
                "loop": lambda: command_seconds("-c", LOOP),
                "help": lambda: command_seconds("-m", "src.train", "--cfg", "job"),
                "first step": lambda: first_step_seconds(used),
                "off": lambda: command_seconds(*LINEAR, "tracking=off"),
                "linear": lambda: command_seconds(*LINEAR, f"tracking.folder={used}"),
                "empty": lambda: command_seconds(*LINEAR),
                "dnn": lambda: command_seconds(*DNN, f"tracking.folder={used}"),
            },
            repeats=5,
        )
    say("import of torch and Lightning", seconds["two"])
    say("to the first training step, used folder", seconds["first step"], seconds["two"])
    say("import of torch, Lightning, MLflow, Hydra, pandas", seconds["imports"])
    say("src.train --cfg job", seconds["help"], seconds["imports"])
    say("the imports, and a bare loop of the linear model", seconds["loop"])
    say("src.train model=linear, 5 epochs, tracking=off", seconds["off"], seconds["loop"])
    say("src.train model=linear, 5 epochs, used folder", seconds["linear"], seconds["loop"])
    say("src.train model=linear, 5 epochs, empty folder", seconds["empty"], seconds["loop"])
    say("src.train model=dnn, 20 epochs, used folder", seconds["dnn"], seconds["imports"])


def first_step_seconds(store: str) -> float:
    """Return the seconds until a run in this store has kept its first layer as it was drawn."""
    command = [sys.executable, *LINEAR, f"tracking.folder={store}"]
    began = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not any(Path(store).glob("runs/*/weights/0.npy")):
            assert process.poll() is None
            sleep(0.005)
        return perf_counter() - began


def tracking_share() -> None:
    """What metrics, files, pictures and the export cost of the default training, warm."""
    print("share of the wall time that is not training, default model, warm process")
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(f"tracking.folder={folder}")
        train_plan(plan)
        results = [train_plan(plan) for _ in range(3)]
    shares = [1 - r.training_seconds / r.wall_seconds for r in results]
    low, high = min(shares), max(shares)
    print(f"  {median(shares):.1%} ({low:.1%} to {high:.1%}) of {results[0].wall_seconds:.1f} s")


if __name__ == "__main__":
    main()
