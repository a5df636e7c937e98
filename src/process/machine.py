"""What this process may use of the machine: cores, ports."""

import os
import socket

from src.errors import ConfigError

LOOPBACK = "127.0.0.1"
"""At this address a page is there for this machine alone."""


def available_cores() -> int:
    """Return the number of processor cores this process may use.

    OMP_NUM_THREADS, where a person or a scheduler has set it, then the cores it may run on.
    """
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and int(wished) > 0:
        return int(wished)
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' processor sets
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def expect_free_port(port: int, *, key: str) -> None:
    """Raise ConfigError, which names the key, where another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError(
                f"`{key}`={port}: cannot be used ({error.strerror}); choose another one"
            ) from error
