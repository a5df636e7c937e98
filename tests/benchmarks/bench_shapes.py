"""One training at batch sizes 32 to 512 and widths 64 to 1,024 against the bare PyTorch loop."""

import argparse
from statistics import median

from src.data.mnist import Mnist
from tests.benchmarks.bench_training import bare_loop, ours
from tests.benchmarks.measure import alternate
from tests.plans import plan_of

BATCH_SIZES = (32, 128, 512)
WIDTHS = (64, 256, 1024)
EPOCHS = 2


def main(repeats: int = 3) -> None:
    """Print the seconds an epoch and their ratio for every shape; both contestants in turn."""
    dataset = Mnist(rows=20_000, validation_size=5000).load()
    print(f"seconds an epoch of 15,000 rows, fit() of {EPOCHS} epochs / bare loop: ratio")
    for batch_size in BATCH_SIZES:
        for width in WIDTHS:
            plan = plan_of(
                f"model.hidden_sizes=[{width},{width}]",
                f"trainer.batch_size={batch_size}",
                f"trainer.max_epochs={EPOCHS}",
                "regularization=none",
                "optimizer=adam",
                "optimizer.lr=1e-3",
                "scheduler=constant",
            )
            sizes, rows = [width, width], batch_size
            seconds = alternate(
                {
                    "bare": lambda s=sizes, r=rows: bare_loop(
                        dataset, epochs=EPOCHS, hidden_sizes=s, batch_size=r
                    ),
                    "ours": lambda p=plan: ours(p, dataset),
                },
                repeats=repeats,
            )
            a_epoch = {k: [s / EPOCHS for s in v] for k, v in seconds.items()}
            shown = "  ".join(
                f"{k} {median(v):.3f} ({min(v):.3f} to {max(v):.3f})" for k, v in a_epoch.items()
            )
            ratio = median(a_epoch["ours"]) / median(a_epoch["bare"])
            print(f"  batch {batch_size:>3}, {width:>4} wide  {shown}  x {ratio:.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    main(**vars(parser.parse_args()))
