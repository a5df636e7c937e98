"""deploy/: what can be told of a compose file without Docker."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def texts(node, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with the key it stands under."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from texts(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, key)
    else:
        yield key, str(node)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_an_image_a_health_check_and_volumes_that_are_declared(name):
    service = SERVICES[name]
    assert service["image"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
    for other in service.get("depends_on", {}):
        assert other in SERVICES


def test_passwords_come_from_the_environment_only():
    secrets = [(key, text) for key, text in texts(COMPOSE) if "PASSWORD" in key.upper()]
    assert len(secrets) >= 2
    for key, text in secrets:
        assert re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", text), key
    for _, text in texts(COMPOSE):
        assert not re.search(r"://[^/@]*:[^/@]*@", text)


def test_nothing_is_open_to_other_machines_unless_asked():
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith(("${BIND:-127.0.0.1}:", "127.0.0.1:"))


def test_the_server_is_started_with_flags_that_it_has():
    from mlflow.cli import cli

    first, second, *flags = SERVICES["mlflow"]["command"]
    assert (first, second) == ("mlflow", "server")
    known = {name for option in cli.commands[second].params for name in option.opts}
    given = {flag.split("=")[0] for flag in flags}
    assert given <= known
    needed = {"--backend-store-uri", "--artifacts-destination", "--allowed-hosts"}
    assert needed <= given


def test_the_image_is_built_of_files_that_are_there():
    build = SERVICES["mlflow"]["build"]
    assert (DEPLOY / build["context"]).resolve() == REPOSITORY
    dockerfile = (REPOSITORY / build["dockerfile"]).read_text()
    for line in re.findall(r"^COPY (.*)$", dockerfile, flags=re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (REPOSITORY / source).exists(), source
