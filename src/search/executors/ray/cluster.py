"""The way to Ray: one on this machine, or a cluster that is there already."""

import logging
import socket
from collections.abc import Mapping
from math import floor, inf
from pathlib import Path
from typing import Any

from src.errors import ConfigError, first_line
from src.process.signals import signals_held_back

SOURCE = Path(__file__).resolve().parents[3]
"""The package `src`, which goes along to machines that may not have it."""

CONNECT_TIMEOUT_S = 5.0
OBJECT_STORE_BYTES = 100_000_000
"""For a Ray on this machine, which has no data to carry."""


def join(address: str | None, *, cpus: int) -> None:
    """Connect this process to Ray; without an address, start one with so many CPUs first.

    That one ends with this process, and lets in who has the token in ~/.ray/auth_token.
    Raises ConfigError where the package is missing, or no Ray answers at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "`executor`=ray: needs the extra `ray`: python -m pip install -e '.[ray]'"
        ) from error
    if address is not None:
        _require_answer(address)
    own = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    code = {"runtime_env": {"py_modules": [str(SOURCE)], "excludes": ["__pycache__"]}}
    options: dict[str, Any] = own if address is None else code
    options |= {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        with signals_held_back():
            ray.init(address or "local", **options)
    except (OSError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"`executor.address`={address or 'null'}: Ray lets this process not in "
            f"({first_line(error)}); it needs the same versions of Ray and Python here, and where "
            "the cluster has a token, that in ~/.ray/auth_token"
        ) from error


def nodes() -> list[dict[str, Any]]:
    """Return the nodes of the cluster that are alive, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def room(resources: Mapping[str, float], *, cpus: float, gpus: float) -> int:
    """Return how many workers a node has room for in all, where each takes so much."""
    by_gpus = floor(resources.get("GPU", 0.0) / gpus + 1e-9) if gpus else inf
    return int(min(resources.get("CPU", 0.0) // cpus, by_gpus))


def _require_answer(address: str) -> None:
    """Raise ConfigError at once, where Ray would try for minutes."""
    if address == "auto":
        return  # Ray looks for it, and says at once where there is none
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(
            f"`executor.address`={address}: must be auto, HOST:PORT, ray://HOST:PORT, or null for "
            "a Ray on this machine alone"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError, OverflowError) as error:  # the last two: no name, no port
        raise ConfigError(
            f"`executor.address`={address}: no Ray answers there ({error}); start one with "
            "`ray start --head`, or leave the address out for one on this machine alone"
        ) from error
