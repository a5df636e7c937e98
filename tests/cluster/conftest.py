"""One real PostgreSQL and one real MLflow server over it, for all tests of this folder."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

from tests.cluster.postgres import PASSWORD, Postgres, require_binaries
from tests.conftest import Store
from tests.serving import Server
from tests.sweeping import Sweep


@dataclass(frozen=True)
class ServerStore(Store):
    """What a server was told, read from its database, which needs no server to be up."""

    database: str

    @cached_property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.database)


@dataclass(frozen=True)
class ClusterSweep(Sweep):
    """A sweep whose study and runs are in PostgreSQL."""

    studies: str
    runs: str

    @property
    def store(self) -> ServerStore:
        return ServerStore(self.folder, self.runs)

    @property
    def study(self) -> optuna.Study:
        return optuna.load_study(study_name=self.name, storage=self.studies)


@dataclass(frozen=True)
class Cluster:
    """A database server, and an MLflow server that keeps its runs there."""

    postgres: Postgres
    server: Server

    @property
    def tracking(self) -> tuple[str, ...]:
        """What a command line says to track on the server."""
        return ("tracking=server", f"tracking.uri={self.server.uri}")

    def store(self, folder: Path) -> ServerStore:
        return ServerStore(folder, self.server.database)


@pytest.fixture(scope="session")
def postgres():
    require_binaries()
    postgres = Postgres().start()
    before = os.environ.get("PGPASSWORD")
    os.environ["PGPASSWORD"] = PASSWORD
    yield postgres
    os.environ.pop("PGPASSWORD")
    if before is not None:
        os.environ["PGPASSWORD"] = before
    postgres.remove()


@pytest.fixture(scope="session")
def cluster(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, database=postgres.create("mlflow")).start()
    yield Cluster(postgres, server)
    server.kill()
