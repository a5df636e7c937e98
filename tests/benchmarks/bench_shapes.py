"""One training at batch sizes 32 to 512 and widths 64 to 1,024 against the bare PyTorch loop."""

import argparse
from collections.abc import Callable
from statistics import median

from src.data.mnist import Mnist
from src.data.source import Dataset
from tests.benchmarks.bench_training import bare_loop, ours
from tests.benchmarks.measure import alternate
from tests.plans import plan_of

BATCH_SIZES = (32, 128, 512)
WIDTHS = (64, 256, 1024)
EPOCHS = 2
PLAIN = (
    "model=dnn",
    "regularization=none",
    "optimizer=adam",
    "optimizer.lr=1e-3",
    "scheduler=constant",
)


def main(repeats: int = 3) -> None:
    """Print the seconds an epoch for every shape, the contestants taking turns."""
    dataset = Mnist(rows=20_000, validation_size=5000).load()
    print(
        f"seconds an epoch of 15,000 rows in {EPOCHS} epochs: bare loop, fit(), fit() on one thread"
    )
    for batch_size in BATCH_SIZES:
        for width in WIDTHS:
            seconds = alternate(contestants(dataset, batch_size, width), repeats=repeats)
            an_epoch = {name: [s / EPOCHS for s in values] for name, values in seconds.items()}
            shown = "  ".join(
                f"{name} {median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
                f" x {median(values) / median(an_epoch['bare']):.2f}"
                for name, values in an_epoch.items()
            )
            print(f"  batch {batch_size:>3}, {width:>4} wide  {shown}", flush=True)


def contestants(dataset: Dataset, batch_size: int, width: int) -> dict[str, Callable[[], float]]:
    """Return what trains the same net and gives its seconds, by name."""
    shape = (
        f"model.hidden_sizes=[{width},{width}]",
        f"trainer.batch_size={batch_size}",
        f"trainer.max_epochs={EPOCHS}",
    )
    all_cores = plan_of(*shape, *PLAIN)
    one_core = plan_of(*shape, *PLAIN, "trainer.threads=1")
    sizes = (width, width)
    return {
        "bare": lambda: bare_loop(
            dataset, epochs=EPOCHS, hidden_sizes=sizes, batch_size=batch_size
        ),
        "ours": lambda: ours(all_cores, dataset),
        "one thread": lambda: ours(one_core, dataset),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    main(**vars(parser.parse_args()))
