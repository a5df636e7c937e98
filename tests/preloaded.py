"""Commands in forks of a process that has loaded the libraries: seconds less for each of them.

What a command does, prints and returns is the same; what it takes to start is not, so that tests
of the start itself run a process of their own.
"""

import atexit
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

LIBRARIES = (
    "mlflow.cli",
    "src.cli.entry",
    "src.cli.output",
    "src.comparison.session",
    "src.inference.recogniser",
    "src.search.executors.preload",
    "src.search.search",
    "src.tracking.store",
)
LOOK_AGAIN_S = 0.02
ADDRESS = "PRELOADED_SERVER"
"""Variable with the address of a server that is there already."""


class Command:
    """`python -m ARGUMENTS` in a fork of the server, with what tests use of subprocess.Popen.

    own_session: whether it is the head of a session, and so of a process group, of its own.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        own_session: bool = False,
    ) -> None:
        self.args = [sys.executable, "-m", *arguments]
        self.returncode: int | None = None
        words = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "session": own_session}
        pipes = [os.pipe() for _ in range(3)]
        with tempfile.TemporaryFile() as request:
            request.write(json.dumps(words).encode())
            request.seek(0)
            _SERVER.order(request.fileno(), *(theirs for _, theirs in pipes))
        for _, theirs in pipes:
            os.close(theirs)
        (output, _), (errors, _), (state, _) = pipes
        encoding = env.get("PYTHONIOENCODING", "utf-8")
        self.stdout = os.fdopen(output, encoding=encoding)
        self.stderr = os.fdopen(errors, encoding=encoding)
        self._state = os.fdopen(state, "rb", buffering=0)
        self.pid = int(self._state.readline())

    def poll(self) -> int | None:
        """Return how the command ended, None while it runs."""
        return self._ended(within_s=0)

    def wait(self, timeout: float | None = None) -> int:
        """Return how the command ended, once it has; raises TimeoutExpired."""
        code = self._ended(within_s=timeout)
        if code is None:
            raise TimeoutExpired(self.args, timeout or 0)
        return code

    def _ended(self, *, within_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._state], [], [], within_s)[0]:
            self.returncode = int(self._state.readline())
            self._state.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Return the rest of what it prints and of its errors; raises TimeoutExpired."""
        late = threading.Event()
        timer = threading.Timer(timeout, lambda: (late.set(), self.kill()))
        told: list[str] = []
        reader = threading.Thread(target=lambda: told.append(self.stderr.read()), daemon=True)
        timer.start()
        reader.start()
        try:
            printed = self.stdout.read()
            reader.join()
            self.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise TimeoutExpired(self.args, timeout, printed, told[0])
        self.stdout.close()
        self.stderr.close()
        return printed, told[0]


def run_command(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> CompletedProcess[str]:
    """Run `python -m ARGUMENTS` with these variables; return how it ended and what it said.

    Raises TimeoutExpired.
    """
    command = Command(arguments, cwd=cwd, env=env)
    printed, told = command.communicate(timeout_s)
    return CompletedProcess(command.args, command.wait(), printed, told)


def copy_databases() -> None:
    """Let the stores of this process and its forks begin as copies of its first one.

    To make one, MLflow takes three seconds of the processor. Those of a start in a process of its
    own are made as users make them.
    """
    from src.tracking import database

    build, folder = database.build_database, tempfile.mkdtemp(prefix="databases-")
    first, maker = Path(folder) / "mlflow.db", os.getpid()
    atexit.register(lambda: shutil.rmtree(folder) if os.getpid() == maker else None)

    @cache
    def made() -> Path:
        build(first)
        return first

    def copy(place: Path) -> None:
        draft = place.with_suffix(".draft")
        shutil.copyfile(made(), draft)
        former = database.artifacts_of(first)
        with closing(sqlite3.connect(draft)) as store, store:
            store.execute(
                "UPDATE experiments SET artifact_location = ? || substr(artifact_location, ?)",
                (database.artifacts_of(place), len(former) + 1),
            )
        draft.replace(place)

    database.build_database = copy


def start_server() -> str:
    """Start the process that forks commands, and that ends when this one does; return its address.

    It takes orders from any process, once it has loaded everything.
    """
    folder = tempfile.mkdtemp(prefix="preloaded-")
    address = f"{folder}/orders"
    mine, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        ours = (listener.fileno(), theirs.fileno())
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.preloaded", *map(str, ours)],
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=ours,
        )
    atexit.register(lambda: (mine.close(), server.wait(), shutil.rmtree(folder)))
    return address


class _Server:
    """The server as this process sees it: its own, or one that a process before it has started."""

    def __init__(self) -> None:
        self._orders: socket.socket | None = None
        self._lock = threading.Lock()

    def order(self, *files: int) -> None:
        """Order a command: the file of the request, its two outputs, and where its end is told."""
        with self._lock:
            if self._orders is None:
                self._orders = socket.socket(socket.AF_UNIX)
                self._orders.connect(os.environ.get(ADDRESS) or start_server())
            socket.send_fds(self._orders, [b"!"], list(files))


_SERVER = _Server()


def _serve(listener: socket.socket, customer: socket.socket) -> int:
    """Fork whenever a command is ordered; return in each fork, with the file of its request."""
    told_to: dict[int, int] = {}
    sources = [customer, listener]
    while True:
        waiting, _, _ = select.select(sources, [], [], LOOK_AGAIN_S if told_to else None)
        if customer in waiting:
            os._exit(0)
        if listener in waiting:
            sources.append(listener.accept()[0])
        for orders in (source for source in waiting if source is not listener):
            word, files, _, _ = socket.recv_fds(orders, 1, 4)
            if not word:
                sources.remove(orders)
                orders.close()
                continue
            request, output, errors, state = files
            pid = os.fork()
            if pid == 0:
                for source in sources:
                    source.close()
                for number, file in ((1, output), (2, errors)):
                    os.dup2(file, number)
                for file in (output, errors, state, *told_to.values()):
                    os.close(file)
                return request
            os.write(state, f"{pid}\n".encode())
            told_to[pid] = state
            for file in (request, output, errors):
                os.close(file)
        for pid in list(told_to):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                state = told_to.pop(pid)
                os.write(state, f"{os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(state)


def _warm_up() -> None:
    """Load the libraries, and train once: the first training of a process takes far longer."""
    for name in LIBRARIES:
        import_module(name)
    import torch

    from tests.plans import QUICK, plan_of, train_plan

    copy_databases()
    if torch.accelerator.is_available():  # who has used one cannot be forked
        return
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        train_plan(plan_of(*QUICK, "trainer.max_epochs=1", f"tracking.folder={folder}"))


def _run(request: int) -> None:
    """Become the command: end as `python -m` ends."""
    from src.tracking import DEFAULTS

    with os.fdopen(request) as file:
        words = json.load(file)
    if words["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update({**DEFAULTS, **words["env"]})
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")  # read when an interpreter starts
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
    )
    os.chdir(words["cwd"])
    module, *sys.argv[1:] = words["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening, its_customer = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    _warm_up()
    _run(_serve(listening, its_customer))
