"""What a training or a search costs as rows, units or trials grow; `--pictures FOLDER` draws it.

Workers: bench_executors.py.

Seconds are those of the processor, on one thread, so that a busy machine changes them little; each
line is measured in a process of its own, whose largest memory stands beside them.
"""

import argparse
import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import process_time

from tests.benchmarks.measure import draw_growth

ROWS = (20_000, 60_000, 200_000, 600_000)
WIDTHS = (64, 128, 256, 512, 1024)
TRIALS = (100, 300, 1_000, 3_000, 10_000)
ASKED = (100, 300, 1_000, 3_000)
MEGABYTES = (100, 300, 1_000)

Point = tuple[float, float, float]
"""A size, the seconds it took, and the largest memory in MiB."""


def main(pictures: Path | None = None, only: str = "") -> None:
    """Print a table for each way to grow, or for those that `only` names, as rows,csv."""
    tables = (
        ("rows", "training rows, 784-128-128-10, batch 128, an epoch", training_rows, ROWS),
        ("width", "parameters, two equal hidden layers, 15,000 rows, an epoch", width, WIDTHS),
        ("csv", "megabytes of a CSV of digits, read and split", csv, MEGABYTES),
        ("trials", "random trials that train nothing, with journal and store", trials, TRIALS),
        ("tpe", "TPE's trials that train nothing, with a journal", tpe, ASKED),
    )
    for name, what, measure, sizes in tables:
        if only and name not in only.split(","):
            continue
        points = [_apart(measure, size) for size in sizes]
        print(what, flush=True)
        first = points[0]
        for size, seconds, memory in points:
            growth = seconds / first[1] / (size / first[0])
            print(
                f"  {size:>12,.0f} {seconds:8.2f} s  {memory:6,.0f} MiB  "
                f"{growth:.2f} of the first line's cost for each",
                flush=True,
            )
        if pictures is not None:
            draw(points, what=what, path=pictures / f"scale_{name}.png")


def _apart(measure: Callable[[int], tuple[float, float]], size: int) -> Point:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, measure, size).result()


def _measured(measure: Callable[[int], tuple[float, float]], size: int) -> Point:
    grown, seconds = measure(size)
    return grown, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def training_rows(number: int) -> tuple[float, float]:
    """Return the seconds of an epoch over so many rows, MNIST's repeated."""
    return number, _epoch(rows=number, hidden_sizes=(128, 128))


def width(units: int) -> tuple[float, float]:
    """Return the parameters of a net with two layers of so many units, and an epoch's seconds."""
    parameters = 785 * units + (units + 1) * units + (units + 1) * 10
    return parameters, _epoch(rows=15_000, hidden_sizes=(units, units))


def _epoch(*, rows: int, hidden_sizes: Sequence[int]) -> float:
    from dataclasses import replace

    import numpy as np

    from src.data.mnist import Mnist
    from tests.plans import dataset_of, fit_of, plan_of

    whole = Mnist(validation_size=5000).load()
    dataset = replace(whole, train=whole.train.take(np.arange(rows) % len(whole.train)))
    plan = plan_of(
        "model=dnn",
        f"model.hidden_sizes={list(hidden_sizes)}",
        "trainer.max_epochs=1",
        "trainer.threads=1",
    )
    for share in (dataset_of(plan, train_images=1_000), dataset):  # the first one loads libraries
        with tempfile.TemporaryDirectory() as folder:
            began = process_time()
            fit_of(plan, share, Path(folder))
            seconds = process_time() - began
    return seconds


def csv(megabytes: int) -> tuple[float, float]:
    """Return the seconds to read and split a CSV of such a size."""
    import numpy as np

    from src.data.csv import Csv
    from src.data.mnist import Mnist

    train = Mnist(rows=20_000, validation_size=5000).load().train.take(np.arange(5_000))
    flat = np.column_stack([train.labels, train.pixels.reshape(len(train), -1)])
    text = "\n".join(",".join(map(str, row)) for row in flat.tolist()) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.csv"
        with path.open("w") as file:
            for _ in range(round(megabytes * 1e6 / len(text))):
                file.write(text)
        began = process_time()
        Csv(path=str(path)).load()
        return path.stat().st_size / 1e6, process_time() - began


def trials(number: int) -> tuple[float, float]:
    """Return the seconds of a random search of so many trials, each a run in MLflow's store."""
    from tests.faults.trivial import search

    with tempfile.TemporaryDirectory() as folder:
        began = process_time()
        search(Path(folder), n_trials=number)
        return number, process_time() - began


def tpe(number: int) -> tuple[float, float]:
    """Return the seconds of a search of so many trials that learns from all before."""
    from tests.benchmarks.bench_driver import Trivial, search

    with tempfile.TemporaryDirectory() as folder:
        executor = Trivial()
        executor.start()
        began = process_time()
        search(executor, Path(folder), n_trials=number)
        seconds = process_time() - began
        executor.close()
        return number, seconds


def draw(points: Sequence[Point], *, what: str, path: Path) -> None:
    """Draw cost against size as a PNG, beside a line of equal cost for each."""
    sizes, seconds, _ = zip(*points, strict=True)
    draw_growth(
        sizes,
        seconds,
        expected=[seconds[0] * size / sizes[0] for size in sizes],
        label="linear",
        ticks=seconds,
        title=what.split(",")[0],
        y_label="seconds of the processor",
        path=path,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--only", default="")
    main(**vars(parser.parse_args()))
