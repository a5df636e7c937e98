"""Commands in forks of a process that has loaded the libraries: seconds less for each of them.

What a command does, prints and returns is the same; what it takes to start is not, so that tests
of the start itself run a process of their own.
"""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

from src.process.signals import ENDING, signals_held_back
from src.tracking import DEFAULTS

LIBRARIES = (
    "src.search.executors.preload",
    "src.cli.entry",
    "src.cli.output",
    "src.comparison.session",
    "src.inference.recogniser",
    "src.search.search",
    "src.tracking.store",
    "tests.preloaded",
)


def run_command(
    arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` with these variables; return how it ended and what it said.

    Raises TimeoutExpired.
    """
    context: ForkServerContext = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    resource_tracker.ensure_running()
    with signals_held_back():  # as for the workers of a search, which the same server forks
        forkserver.ensure_running()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / name for name in ("stdout", "stderr")]
        process = context.Process(target=_run, args=(arguments, cwd, dict(env), outputs))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise TimeoutExpired(arguments, timeout_s)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in outputs)
    command = [sys.executable, "-m", *arguments]
    return CompletedProcess(command, process.exitcode, stdout, stderr)


def _run(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], outputs: list[Path]) -> None:
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    os.environ.clear()
    os.environ.update({**DEFAULTS, **env})
    os.chdir(cwd)
    module, *sys.argv[1:] = arguments
    with contextlib.ExitStack() as stack:
        stack.callback(sys.stdout.flush)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
