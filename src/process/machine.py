"""What this process may use of the machine: cores, ports."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import product
from math import ceil
from pathlib import Path, PurePosixPath

from src.errors import ConfigError

LOOPBACK = "127.0.0.1"
"""At this address a page is there for this machine alone."""


def available_cores(root: Path = Path("/")) -> int:
    """Return the number of processor cores this process may use.

    OMP_NUM_THREADS, where a person or a scheduler has set it; else the cores it may run on, and of
    those as many as the quotas of its control groups (containers) leave. root: of the file system.
    """
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and int(wished) > 0:
        return int(wished)
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' processor sets
        cores = len(os.sched_getaffinity(0))
    return max(1, ceil(min([cores, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the cores that each control group leaves this process, of both versions of them.

    A container may see its own group as the mount itself, whatever the path it is told.
    """
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            mounts = {"", "cpu", controllers} if "cpu" in controllers.split(",") else {""}
            path = PurePosixPath(group.lstrip("/"))
            for mount, place in product(mounts, (path, *path.parents)):
                yield from _quota(root / "sys/fs/cgroup" / mount / place)


def _quota(folder: Path) -> Iterator[float]:
    """Yield the cores of one control group, where it has a limit and its files can be read."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            quota, period = " ".join(
                (folder / name).read_text(encoding="utf-8") for name in names
            ).split()
            if int(quota) > 0:  # "max" is no number, -1 no limit
                yield int(quota) / int(period)


@cache
def multiplies_bfloat16(root: Path = Path("/")) -> bool:
    """Tell whether the processor has instructions for products of bfloat16; only Linux says so."""
    with suppress(OSError):
        told = (root / "proc/cpuinfo").read_text(encoding="utf-8")
        return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(told.split())
    return False


def require_free_port(port: int, *, key: str) -> None:
    """Raise ConfigError, which names the key, where another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError(
                f"`{key}`={port}: cannot be used ({error.strerror}); choose another one"
            ) from error
