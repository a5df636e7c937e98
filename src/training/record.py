"""What a training used, and what it said: its log."""

import resource
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

LOG = "training.log"


def clocks() -> tuple[float, float]:
    """Return seconds of the clock, and of the processors that this process has used."""
    return perf_counter(), process_time()


def usage(since: tuple[float, float], *, training_seconds: float) -> dict[str, float]:
    """Return metrics of a run: its seconds, and the most memory its process has held so far.

    since: what `clocks` gave at its start. A worker may have held the memory in an earlier run.
    """
    wall, processor = (now - then for now, then in zip(clocks(), since, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = {
        "seconds/training": training_seconds,
        "seconds/wall": wall,
        "seconds/processor": processor,
        "memory/peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }
    return {key: round(value, 2) for key, value in used.items()}


def write_log(folder: Path, line: str) -> None:
    """Add a line to the log in the working folder of a training."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {line}\n")


def read_log(folder: Path) -> dict[str, str]:
    """Return the log under the name that it has on the run, nothing where nothing was said."""
    log = folder / LOG
    return {LOG: log.read_text(encoding="utf-8")} if log.exists() else {}


@contextmanager
def warnings_logged(folder: Path) -> Iterator[None]:
    """Write warnings into the log too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        shown = warnings.showwarning

        def show(message: Warning | str, *where: Any, **more: Any) -> None:
            write_log(folder, f"warning: {message}")
            shown(message, *where, **more)

        warnings.showwarning = show
        yield
