"""Workers as Ray actors: on this machine, or on every machine of a cluster."""

import os
import platform
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, final

from src.config.plan import Component, Plan
from src.config.types import NonNegative, PositiveInt
from src.errors import ConfigError, first_line
from src.process.machine import available_cores
from src.search.executors.base import END_WITHIN_S, Executor, Worker
from src.search.executors.ray import cluster
from src.search.executors.ray.actor import Actor, Sent
from src.search.messages import Examine, FromWorker, Job, ToWorker
from src.tracking.connection import database_file

LOOK_EVERY_S = 2.0
"""How often to look whether nodes have come or gone."""

WAIT_IN_SILENCE_S = 60.0
"""How long no worker may have room before a line says so."""


@final
class Ray(Executor):
    """Trains a trial in every worker; workers are actors that end with this process.

    address: null starts a Ray on this machine alone; `auto` joins the one that runs here,
    `HOST:PORT` or `ray://HOST:PORT` one elsewhere. workers: null is as many as there is room for,
    also when nodes come and go; those that a number asks for beyond it wait for a node.
    cpus_per_worker is also the number of threads of a trial. gpus_per_worker: 0.5 lets two share
    one; null is one where the cluster has any.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: PositiveInt | None = None,
        cpus_per_worker: PositiveInt = 1,
        gpus_per_worker: NonNegative | None = None,
    ) -> None:
        super().__init__(num_workers=workers or max(1, available_cores() // cpus_per_worker))
        cluster.join(address, cpus=self.num_workers * cpus_per_worker)
        self._follows = address is not None and workers is None
        self._shelf = _Shelf() if address is not None else None
        self._place: dict[str, float] = {}
        here = cluster.nodes()
        if gpus_per_worker is None:
            gpus_per_worker = 1.0 if any(node.gpus for node in here) else 0.0
        self._cpus, self._gpus = cpus_per_worker, gpus_per_worker
        if workers is None:
            self.num_workers = max(1, self._room())
        if address is None and not self._room():
            cluster.leave()
            raise ConfigError(
                f"`executor.gpus_per_worker`={gpus_per_worker:g}: this machine has "
                f"{sum(node.gpus for node in here):g}; lower it, or join a cluster that has more"
            )
        self._looked = self._had_worker = monotonic()

    def check(self, plan: Plan) -> None:
        """Raise ConfigError where several machines are to share a database in a folder of one."""
        if database_file(plan.tracking) is None:
            return
        own = platform.node()
        others = sorted({node.host for node in cluster.nodes()} - {own})
        if others:
            raise ConfigError(
                f"`tracking.uri`={plan.tracking.uri or 'null'}: the cluster has other machines "
                f"({', '.join(others)}), which cannot write to a file here; track on a server: "
                "tracking=server tracking.uri=http://HOST:PORT"
            )
        addresses = sorted({node.address for node in cluster.nodes()})
        self._place = {f"node:{addresses[0]}": 0.001}  # nor one that joins later

    def close(self) -> None:
        """Let the workers go, and Ray."""
        super().close()
        cluster.leave()

    def _start(self, number: int) -> Worker:
        import ray

        environment = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")}
        remote: Any = ray.remote  # whose types know no concurrency groups
        kind = remote(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            resources=self._place,
            max_restarts=0,  # who dies is replaced, and the driver knows
            concurrency_groups={"hear": 1, "end": 1},  # beside the calls to say, which keep order
        )(Actor)
        actor = kind.remote(folder=str(Path.cwd()), environment=environment)
        return Worker(number, _Calls(actor, self._shelf), actor)

    def _end(self, worker: Worker) -> None:
        import ray

        calls: Any = worker.connection
        if worker.ready:
            ray.wait([calls.ending], timeout=END_WITHIN_S)
        ray.kill(worker.handle)
        ray.wait([calls.hearing], timeout=END_WITHIN_S)

    def _speakers(self, timeout_s: float) -> list[Worker]:
        import ray

        self._look_around()
        speaking: dict[Any, Worker] = {w.connection.hearing: w for w in self._workers}  # type: ignore[attr-defined]
        spoken, silent = ray.wait(list(speaking), timeout=timeout_s)
        if spoken and silent:
            spoken += ray.wait(silent, num_returns=len(silent), timeout=0)[0]
        return [speaking[reference] for reference in spoken]

    def _look_around(self) -> None:
        """Start workers on nodes that have come; give up those that wait for nodes that have gone.

        Says so where no worker has had room for a while.
        """
        now = monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        if self._follows:
            self._follow(max(1, self._room()))
        if any(worker.ready for worker in self._workers) or self._any_placed():
            self._had_worker = now
        elif now - self._had_worker > WAIT_IN_SILENCE_S:
            self._had_worker = now
            print(
                f"no worker yet: none of the cluster's nodes has {self._cpus} free CPUs"
                f"{f' and {self._gpus:g} GPUs' if self._gpus else ''}; waiting",
                file=sys.stderr,
            )

    def _any_placed(self) -> bool:
        import ray

        calls: list[Any] = [worker.connection for worker in self._workers]
        return bool(ray.wait([call.placed for call in calls], timeout=0)[0])

    def _follow(self, room: int) -> None:
        waiting = [worker for worker in self._workers if not worker.ready]
        while len(self._workers) > room and waiting:
            worker = waiting.pop()
            self._workers.remove(worker)
            worker.connection.close()
            self._end(worker)
        while len(self._workers) < room:
            number = max(worker.number for worker in self._workers) + 1
            self._workers.append(self._start(number))
        if len(self._workers) != self.num_workers:
            self.num_workers = len(self._workers)
            print(f"the cluster has room for {room} workers now", flush=True)

    def _room(self) -> int:
        """Return how many workers the cluster's nodes have room for, if nobody else is there."""
        return sum(
            node.room(cpus=self._cpus, gpus=self._gpus)
            for node in cluster.nodes()
            if not self._place or f"node:{node.address}" in self._place
        )


@final
class _Calls:
    """The driver's end of its line to an actor: every message is a call.

    References: placed is there as soon as a node has taken the actor in; hearing is what the worker
    says next; ending is there when it has ended, once it was let go.
    """

    def __init__(self, actor: Any, shelf: "_Shelf | None") -> None:
        self._actor = actor
        self._shelf = shelf
        self._heard_before = False
        self.placed = actor.__ray_ready__.remote()
        self.hearing = self._hear()
        self.ending: Any = None

    def send(self, message: ToWorker, /) -> None:
        """Say something to the worker; what data it needs goes along."""
        files: Mapping[str, Sent] = {}
        if self._shelf is not None and isinstance(message, Job | Examine):
            files = self._shelf.files_of(message.plan.data)
        self._actor.say.remote(message, files)

    def recv(self) -> FromWorker:
        """Return what the worker has said; raises EOFError where its actor is gone."""
        import ray
        from ray.exceptions import RayError

        try:
            message = ray.get(self.hearing)
        except (RayError, EOFError) as error:
            if not self._heard_before:
                said = str(error).strip().splitlines()
                print(f"a worker has died while it was starting: {said[-1]}", file=sys.stderr)
            raise EOFError from error
        self._heard_before = True
        self.hearing = self._hear()
        return message

    def _hear(self) -> Any:
        return self._actor.hear.remote()

    def close(self) -> None:
        """Let the worker end its job."""
        self.ending = self._actor.end.remote()


@final
class _Shelf:
    """Files of this machine in Ray's object store, each put there once."""

    def __init__(self) -> None:
        self._sent: dict[str, Sent] = {}

    def files_of(self, data: Component) -> Mapping[str, Sent]:
        """Return the files that the data source reads, by their path in its arguments.

        Raises ConfigError where one cannot be read any more.
        """
        names = data.build().file_arguments
        paths = [data.arguments[name] for name in names if data.arguments.get(name)]
        return {path: self._put(path) for path in paths}

    def _put(self, path: str) -> Sent:
        import ray

        if path not in self._sent:
            file = Path(path).expanduser()
            try:
                content = file.read_bytes()
            except OSError as error:
                raise ConfigError(f"`data`: {path}: {first_line(error)}") from error
            digest = sha256(content).hexdigest()
            self._sent[path] = Sent(file.name, digest, ray.put(content))
        return self._sent[path]
