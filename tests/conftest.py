"""Real command lines in processes of their own, and one finished training that tests share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.preloaded import ADDRESS, Command, copy_databases, run_command, start_server

# `make test` generates the same examples each time, `make faults` others
settings.register_profile("same", derandomize=True)
settings.load_profile("default" if os.environ.get("FUZZ") == "long" else "same")

# those of tests/cluster need the extras `ray` and `postgres`, which `make test` does without
collect_ignore = [] if find_spec("ray") and find_spec("psycopg") else ["cluster"]

copy_databases()

FIRST = (
    "inference/test_predict.py",
    "documents/test_readme.py",
    "documents/test_tour.py",
    "faults/test_sweep_kills.py",
    "search/test_sweep_end_to_end.py",
    "comparison/test_judgement.py",
    "tracking/test_store.py",
    "training/test_resume.py",
    "training/test_reproduce.py",
)
"""Files that take longest, so that no process is left waiting for one of them at the end.

The first trains what others use too, which would wait for it.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes of pytest-xdist share one server."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ[ADDRESS] = start_server()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest; what needs the ten trainings of a contest is long."""
    for item in items:
        if isinstance(item, pytest.Function) and "contest" in item.fixturenames:
            item.add_marker("long")
    items.sort(key=lambda item: not item.path.as_posix().endswith(FIRST))


REPOSITORY = Path(__file__).resolve().parents[1]
TIMEOUT_S = 300
READ_AT_START = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"}

TRAINING = (
    *("experiment=none", "data=digits", "trainer.threads=1"),
    *("trainer.max_epochs=40", "trainer.batch_size=32"),
)
"""A training of about a second, long enough to be interrupted in its middle."""


def environment(*, cores: int = 1) -> dict[str, str]:
    """Return this process's variables, with the repository importable from any folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HYDRA")}
    return own | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": str(cores)}


def python(
    *arguments: str, cwd: Path, cores: int = 1, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in the folder `cwd`, where so many cores seem to be there.

    A module runs in a fork of a process that has loaded everything, but where variables are set
    that are read while the program loads. encoding: of the terminal.
    """
    command, env = [sys.executable, *arguments], environment(cores=cores)
    env["PYTHONIOENCODING"] = encoding
    if arguments[0] == "-m" and not READ_AT_START & env.keys():
        return run_command(arguments[1:], cwd=cwd, env=env, timeout_s=TIMEOUT_S)
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def start_training(*overrides: str, cwd: Path) -> Command:
    """Start `python -m src.train OVERRIDES` in the folder `cwd` and do not wait for it."""
    return Command(("src.train", *overrides), cwd=cwd, env=environment())


@dataclass(frozen=True)
class Store:
    """The tracking store that a command left in a folder, read with MLflow's own client."""

    folder: Path

    @cached_property
    def client(self):
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{self.folder}/mlruns/mlflow.db")

    def runs(self):
        """Return all runs, the newest first."""
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        return self.client.search_runs(experiments)

    def only_run(self):
        [run] = self.runs()
        return run

    def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, in the order of steps; without a group: of a curve."""
        whole = key if "/" in key else f"all epochs/{key}"
        history = self.client.get_metric_history(run_id, whole)
        return sorted((metric.step, metric.value) for metric in history)

    def curves(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """Return every metric's curve but those that measure time and memory."""
        keys = self.client.get_run(run_id).data.metrics
        measured = ("seconds/", "memory/")
        return {key: self.curve(run_id, key) for key in keys if not key.startswith(measured)}

    def delete(self, run_id: str, *, for_good: bool) -> None:
        """Delete a run as the UI does; for good: as `mlflow gc` does after it."""
        self.client.delete_run(run_id)
        if for_good:
            uri = self.client.tracking_uri
            stores = (f"--backend-store-uri={uri}", f"--tracking-uri={uri}")
            done = python("-m", "mlflow", "gc", *stores, cwd=self.folder)
            assert done.returncode == 0, done.stderr

    def artifacts(self, run_id: str) -> Path:
        """Return the folder of a run's artifacts."""
        uri = self.client.get_run(run_id).info.artifact_uri
        return Path(uri.removeprefix("file://"))


@pytest.fixture
def run_verb(tmp_path):
    """Run `python -m src.VERB OVERRIDES` in an empty folder of this test."""

    def run(*overrides: str, verb: str = "train", cwd: Path = tmp_path):
        return python("-m", f"src.{verb}", *overrides, cwd=cwd)

    return run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@dataclass(frozen=True)
class Finished:
    """A training that ran to its end: what it printed and what it left."""

    output: str
    store: Store
    run_id: str

    @property
    def run(self):
        return self.store.client.get_run(self.run_id)

    @property
    def artifacts(self) -> Path:
        return self.store.artifacts(self.run_id)


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], dict[str, str]]
) -> tuple[Path, dict[str, str]]:
    """Return a folder that one process of a test session has filled, and what it said of it.

    Under pytest-xdist the others wait for it, and read the same folder.
    """
    several = "PYTEST_XDIST_WORKER" in os.environ
    shared = factory.getbasetemp().parent if several else factory.getbasetemp()
    folder, said = shared / name, shared / f"{name}.json"
    with FileLock(f"{folder}.lock"):
        if not said.exists():
            folder.mkdir()
            said.write_text(json.dumps(make(folder)), encoding="utf-8")
    return folder, json.loads(said.read_text(encoding="utf-8"))


def _train(folder: Path) -> dict[str, str]:
    done = python("-m", "src.train", *TRAINING, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {"output": done.stdout, "run_id": Store(folder).only_run().info.run_id}


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    """Return one finished, tracked training on real digits; read it, do not change it."""
    folder, said = made_once(tmp_path_factory, "finished", _train)
    return Finished(said["output"], Store(folder), said["run_id"])


@pytest.fixture(scope="session")
def chromium():
    """Return the one browser of this process, which asks nobody else for anything."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("there is no Chromium here; `make debian` installs it")
    from playwright.sync_api import sync_playwright

    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    arguments = ["--no-sandbox", "--disable-gpu", *quiet]
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=executable, args=arguments)
        yield launched
        launched.close()
