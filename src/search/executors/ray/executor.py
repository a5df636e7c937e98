"""Workers as Ray actors: on this machine, or on every machine of a cluster."""

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from src.config.plan import Component, Plan
from src.config.types import NonNegative, PositiveInt
from src.errors import ConfigError
from src.process.machine import available_cores
from src.search.executors.base import SHUTDOWN_TIMEOUT_S, Executor, Worker
from src.search.executors.ray import cluster
from src.search.executors.ray.actor import Actor, Upload
from src.search.messages import FromWorker, ToWorker
from src.tracking.connection import database_file


@final
class Ray(Executor):
    """Trains a trial in every worker; workers are actors that end with this process.

    address: null starts a Ray on this machine alone; `auto` joins the one that runs here,
    `HOST:PORT` or `ray://HOST:PORT` one elsewhere. workers: null is as many as there is room for
    when the search starts; those beyond it wait until Ray finds them a node.
    cpus_per_worker is also the number of threads of a trial. gpus_per_worker: 0.5 lets two share
    one; null is one where the cluster has any.
    """

    shares_cores = False

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
        import ray

        nodes = [node["Resources"] for node in cluster.nodes()]
        if gpus_per_worker is None:
            gpus_per_worker = 1.0 if any("GPU" in node for node in nodes) else 0.0
        takes = {"cpus": cpus_per_worker, "gpus": gpus_per_worker}
        room = sum(cluster.room(node, **takes) for node in nodes)
        if not room:
            self.close()
            raise ConfigError(
                f"`executor.cpus_per_worker`={cpus_per_worker}, `executor.gpus_per_worker`="
                f"{gpus_per_worker:g}: no machine of Ray's has so much; lower them, or join a "
                "cluster that has"
            )
        if address is not None and not cluster.room(ray.available_resources(), **takes):
            print("all of the cluster is in use; the search waits until Ray has room", flush=True)
        if workers is None:
            self.num_workers = room
        self._is_cluster = address is not None
        self._takes = {"num_cpus": cpus_per_worker, "num_gpus": gpus_per_worker}
        self._place: dict[str, float] = {}
        self._files: Mapping[str, Upload] = {}

    def check(self, plan: Plan) -> None:
        """Take the plan's data along; ConfigError where machines are to share one's database."""
        if self._is_cluster:
            self._files = uploaded(plan.data)
        if database_file(plan.tracking) is None:
            return
        nodes = cluster.nodes()
        others = sorted({node["NodeManagerHostname"] for node in nodes} - {platform.node()})
        if others:
            raise ConfigError(
                f"`tracking.uri`={plan.tracking.uri or 'null'}: the cluster has other machines "
                f"({', '.join(others)}), which cannot write to a file here; track on a server: "
                "tracking=server tracking.uri=http://HOST:PORT"
            )
        self._place = {f"node:{nodes[0]['NodeManagerAddress']}": 0.001}  # nor one that joins later

    def close(self) -> None:
        """Let the workers go, and Ray: the one that was started here ends."""
        import ray

        super().close()
        ray.shutdown()

    def _start(self, number: int) -> Worker:
        import ray

        environment = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")}
        kind: Any = ray.remote(Actor)
        actor = kind.options(
            **self._takes,
            resources=self._place,
            max_restarts=0,  # who dies is replaced, and the driver knows
            max_concurrency=2,  # one call waits to hear, the others say
        ).remote(folder=str(Path.cwd()), environment=environment, files=self._files)
        return Worker(number, _Calls(actor), actor)

    def _end(self, worker: Worker) -> None:
        import ray

        calls: Any = worker.connection
        with suppress(EOFError):
            while worker.ready and ray.wait([calls.hearing], timeout=SHUTDOWN_TIMEOUT_S)[0]:
                calls.recv()  # the last words of its job
        ray.kill(worker.handle)

    def _ready_workers(self, timeout_s: float) -> list[Worker]:
        import ray

        speaking: dict[Any, Worker] = {w.connection.hearing: w for w in self._workers}  # type: ignore[attr-defined]
        spoken, silent = ray.wait(list(speaking), timeout=timeout_s)
        if spoken and silent:
            spoken += ray.wait(silent, num_returns=len(silent), timeout=0)[0]
        return [speaking[reference] for reference in spoken]


@final
class _Calls:
    """The driver's end of its channel to an actor: every message is a call.

    hearing: a reference to what the worker says next.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._heard_before = False
        self.hearing = actor.hear.remote()

    def send(self, message: ToWorker, /) -> None:
        """Say something to the worker."""
        self._actor.say.remote(message)

    def recv(self) -> FromWorker:
        """Return what the worker has said; raises EOFError where its actor is gone."""
        import ray

        try:
            message = ray.get(self.hearing)
        except (ray.exceptions.RayError, EOFError) as error:
            if not self._heard_before:
                said = str(error).strip().splitlines()
                print(f"a worker has died while it was starting: {said[-1]}", file=sys.stderr)
            raise EOFError from error
        self._heard_before = True
        self.hearing = self._actor.hear.remote()
        return message

    def close(self) -> None:
        """Let the worker end its job."""
        self._actor.say.remote(None)


def uploaded(data: Component) -> dict[str, Upload]:
    """Put the files that the data source reads into Ray's object store, by their path."""
    import ray

    files = {}
    for name in data.build().file_arguments:
        path = data.arguments.get(name)
        if path and Path(path).expanduser().is_file():  # else its source says what is wrong
            content = Path(path).expanduser().read_bytes()
            files[path] = (sha256(content).hexdigest(), ray.put(content))
    return files
