"""The way to Ray: a small one of its own on this machine, or a cluster that is there already."""

import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path
from typing import final

from src.errors import ConfigError, first_line
from src.process.signals import ENDING

SOURCE = Path(__file__).resolve().parents[3]
"""The package `src`, which goes along to machines that may not have it."""

ANSWER_WITHIN_S = 5.0
OBJECT_STORE_BYTES = 100_000_000
"""For a Ray of our own, which has no data to carry."""


@final
@dataclass(frozen=True)
class Node:
    """A part of a cluster, on a host that may have several; what it has for workers in all."""

    host: str
    address: str
    cpus: float
    gpus: float

    def room(self, *, cpus: float, gpus: float) -> int:
        """Return how many workers have room here, where each takes so much."""
        by_gpus = floor(self.gpus / gpus + 1e-9) if gpus else self.cpus
        return int(min(self.cpus // cpus, by_gpus))


def join(address: str | None, *, cpus: int) -> None:
    """Connect this process to Ray; without an address, start one with so many CPUs first.

    It then listens on 127.0.0.1 only and ends with this process, however that ends.
    Raises ConfigError where the package is missing, or no Ray answers at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no statistics to its makers
    os.environ["RAY_SCHEDULER_EVENTS"] = "0"  # no word on the screen while a worker waits for room
    # where something other than Ray answers, half a minute, not a quarter of an hour
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    if address is None:
        # a name that says little: Ray's switch for an own address of 127.0.0.1
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _own_token()}
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "`executor`=ray: needs the extra `ray`: python -m pip install -e '.[ray]'"
        ) from error
    with _signals_held_back():
        if address is None:
            ray.init(
                "local",
                num_cpus=cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=_own_folder(),
                _node_ip_address="127.0.0.1",
            )
            return
        _expect_answer(address)
        code = {"py_modules": [str(SOURCE)], "excludes": ["__pycache__"]}
        try:
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False, runtime_env=code)
        except (OSError, RuntimeError, ValueError, ImportError) as error:
            raise ConfigError(
                f"`executor.address`={address}: what answers there lets this process not in "
                f"({first_line(error)}); it needs the same versions of Ray and Python here, "
                "and where it has a token, that in ~/.ray/auth_token and RAY_AUTH_MODE=token"
            ) from error


@cache
def _own_token() -> str:
    """Return what lets the processes of a Ray of our own in; Ray reads it once a process."""
    return secrets.token_hex(32)


def _own_folder() -> str:
    """Return a new folder for logs and sockets, which goes with this process, even a killed one."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets: a short path
    listening, _ = os.pipe()  # whose other end is open as long as we live
    subprocess.run(
        ["sh", "-c", f"exec 3<&0; (read end <&3; sleep 1; rm -rf {folder}) >/dev/null 2>&1 &"],
        stdin=listening,
        cwd="/",
        start_new_session=True,
        check=True,
    )
    os.close(listening)
    return folder


def leave() -> None:
    """End the Ray that this process has started, or the connection to another."""
    import ray
    from psutil import NoSuchProcess, Process  # which Ray brings
    from ray._private import worker

    node = worker._global_node
    if node is None or not node.is_head():
        ray.shutdown()
        return
    raylet = node.all_processes["raylet"][0].process.pid
    helpers: list[Process] = []
    with suppress(NoSuchProcess):
        helpers = Process(raylet).children(recursive=True)
    end = node.kill_all_processes  # they do not hear SIGTERM, and Ray would wait a second for each
    setattr(node, "kill_all_processes", lambda **_: end(check_alive=False, allow_graceful=False))  # noqa: B010
    ray.shutdown()
    for helper in helpers:  # else they look for the rest, up to a minute
        with suppress(NoSuchProcess):
            helper.kill()
    shutil.rmtree(node.get_temp_dir_path(), ignore_errors=True)


def nodes() -> list[Node]:
    """Return the nodes of the cluster that are alive."""
    import ray

    return [
        Node(
            host=found["NodeManagerHostname"],
            address=found["NodeManagerAddress"],
            cpus=found["Resources"].get("CPU", 0.0),
            gpus=found["Resources"].get("GPU", 0.0),
        )
        for found in ray.nodes()
        if found["Alive"]
    ]


def _expect_answer(address: str) -> None:
    """Raise ConfigError at once, where Ray would try for minutes."""
    if address == "auto":
        return  # Ray looks for it, and says at once where there is none
    found = re.fullmatch(r"(ray://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", address)
    if found is None:
        raise ConfigError(
            f"`executor.address`={address}: must be auto, HOST:PORT, ray://HOST:PORT, or null for "
            "a Ray on this machine alone"
        )
    try:
        with socket.create_connection((found[2].strip("[]"), int(found[3])), ANSWER_WITHIN_S):
            pass
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"`executor.address`={address}: no Ray answers there ({error}); start one with "
            "`ray start --head`, or leave the address out for one on this machine alone"
        ) from error


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let signals to a whole group of processes pass Ray's by, and keep our own answer to them."""
    answers = {signum: signal.getsignal(signum) for signum in ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        for signum, answer in answers.items():
            with suppress(ValueError):  # only the main thread has answers
                signal.signal(signum, answer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
