"""A real Ray cluster on this machine: every node is a process tree of its own."""

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import REPOSITORY, environment
from tests.serving import free_port
from tests.sweeping import processes_of, wait_until

AS_ANOTHER_MACHINE = (
    'hostname elsewhere; mount -t tmpfs none {project}/src; mount -t tmpfs none {folder}; exec "$@"'
)
"""Gives what follows a name of its own, and neither the project's code nor the driver's folder."""


@dataclass
class Node:
    """One `ray start`; its session holds all it starts."""

    process: subprocess.Popen

    def processes(self) -> set[int]:
        return set(processes_of(self.process.pid))

    def kill(self) -> None:
        """Kill all of the node at once, as a power cut does."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """A head and the nodes that have joined it; folder: for logs, sockets and the cache."""

    folder: Path
    port: int = field(default_factory=free_port)
    client_port: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)
    secret: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What lets a process in."""
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.secret}
        return own | {"RAY_USAGE_STATS_ENABLED": "0"}

    def start_head(self, *, cpus: int) -> Node:
        sockets = ("--temp-dir", str(self.folder))
        ports = ("--port", str(self.port), "--ray-client-server-port", str(self.client_port))
        head = self._start("--head", *ports, *sockets, cpus=cpus)
        self.wait_for(head)
        return head

    def start_node(self, *, cpus: int = 1, without: Path | None = None) -> Node:
        """Start a node; without: it is another machine, which has not got this folder."""
        prefix: tuple[str, ...] = ()
        if without is not None:
            script = AS_ANOTHER_MACHINE.format(project=REPOSITORY, folder=without)
            prefix = ("unshare", "--uts", "--mount", "sh", "-c", script, "sh")
        return self._start("--address", self.address, cpus=cpus, prefix=prefix)

    def wait_for(self, node: Node) -> None:
        """Wait until the node says that it has started."""
        log = self.folder / f"node-{self.nodes.index(node)}.log"

        def started() -> bool:
            assert node.process.poll() is None, log.read_text()
            return "Ray runtime started" in log.read_text()

        wait_until(started)

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.kill()

    def _start(self, *arguments: str, cpus: int, prefix: tuple[str, ...] = ()) -> Node:
        command = [*prefix, str(Path(sys.executable).with_name("ray")), "start", *arguments]
        command += ["--num-cpus", str(cpus), "--object-store-memory", "100000000", "--block"]
        if "--head" in arguments:
            command.append("--include-dashboard=false")
        own = environment() | self.variables | {"XDG_CACHE_HOME": str(self.folder / "cache")}
        del own["PYTHONPATH"]
        with (self.folder / f"node-{len(self.nodes)}.log").open("w") as log:
            process = subprocess.Popen(
                command, env=own, cwd="/", stdout=log, stderr=log, start_new_session=True
            )
        self.nodes.append(Node(process))
        return self.nodes[-1]
