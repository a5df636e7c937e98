"""What tracking costs: an MLflow server over PostgreSQL against SQLite in a folder.

Needs PostgreSQL; run by itself: python -m tests.benchmarks.bench_server
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from src.config.settings import Tracking
from src.tracking.runs import start_run
from src.tracking.store import open_store
from tests.cluster.postgres import PASSWORD, Postgres
from tests.faults.trivial import DATA
from tests.plans import plan_of, train_plan
from tests.serving import Server

EPOCHS, REPEATS = 20, 15
METRICS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds")


def main() -> None:
    """Print milliseconds per epoch's metrics and per finished run, for both."""
    with tempfile.TemporaryDirectory() as place, stores(Path(place)) as contestants:
        artifacts = real_artifacts(Path(place) / "original")
        sizes = [path.stat().st_size for path in artifacts.rglob("*") if path.is_file()]
        print(
            f"tracking one run: {EPOCHS} epochs of {len(METRICS)} metrics, {len(sizes)} files, "
            f"{sum(sizes) / 2**20:.1f} MiB; ms, median (range) of {REPEATS} alternating repeats"
        )
        epochs: dict[str, list[float]] = {name: [] for name in contestants}
        runs: dict[str, list[float]] = {name: [] for name in contestants}
        for repeat in range(REPEATS + 1):
            for name, tracking in contestants.items():
                its_epochs, whole = one_run(tracking, artifacts)
                if repeat:  # the first warms up
                    epochs[name] += its_epochs
                    runs[name].append(whole)
        for name in contestants:
            print(f"  {name:<44}{said(epochs[name])} an epoch   {said(runs[name])} a run")


def one_run(tracking: Tracking, artifacts: Path) -> tuple[list[float], float]:
    """Track one run; return the ms of each epoch's metrics, and of all of it."""
    began, epochs = perf_counter(), []
    run = start_run(
        open_store(tracking), name="one", params={"lr": 0.1}, tags={}, data=DATA, config={}
    )
    for epoch in range(1, EPOCHS + 1):
        epoch_began = perf_counter()
        run.log_metrics(dict.fromkeys(METRICS, 1 / epoch), step=epoch)
        epochs.append(1000 * (perf_counter() - epoch_began))
    run.log_files(artifacts)
    run.finish("FINISHED")
    return epochs, 1000 * (perf_counter() - began)


def real_artifacts(folder: Path) -> Path:
    """Train a network on MNIST for an epoch; return the files that it left."""
    plan = plan_of("model=dnn", "trainer.max_epochs=1", f"tracking.folder={folder}")
    train_plan(plan)
    [config] = (folder / "artifacts").rglob("config.yaml")
    return config.parent


@contextmanager
def stores(place: Path) -> Iterator[dict[str, Tracking]]:
    """Start PostgreSQL, which waits for the disk, and an MLflow server of one worker over it."""
    os.environ["PGPASSWORD"] = PASSWORD
    postgres = Postgres(safe=True).start()
    try:
        (place / "server").mkdir()
        server = Server(place / "server", database=postgres.create("mlflow")).start()
        try:
            yield {
                "SQLite in a folder": Tracking(folder=place / "local"),
                "server over PostgreSQL, proxied artifacts": Tracking(
                    folder=place / "far", uri=server.uri
                ),
            }
        finally:
            server.kill()
    finally:
        postgres.remove()


def said(times: list[float]) -> str:
    return f"{median(times):8.1f} ({min(times):.1f} to {max(times):.1f})"


if __name__ == "__main__":
    main()
