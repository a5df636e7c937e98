"""docs/tour.md, command by command as a newcomer types it."""

import pytest

from tests.conftest import REPOSITORY, Store
from tests.documents.commands import Checkout, commands_of

pytestmark = pytest.mark.docs
COMMANDS = commands_of(REPOSITORY / "docs" / "tour.md")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("tour"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_does_what_the_tour_says(checkout, command):
    said = checkout.run(command)
    if "src.predict" in command:
        assert "digit.png" in said


def test_the_tour_has_left_runs_a_sweep_a_comparison_and_a_champion(checkout):
    store = Store(checkout.folder)
    runs = store.runs()
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert {"linear", "dnn"} <= {run.data.tags.get("model") for run in runs}
    assert sum("stop_reason" in run.data.tags for run in runs) == 1
    assert sum("comparison" in run.data.tags for run in runs) >= 1
    champion = store.client.get_model_version_by_alias("digits", "champion")
    assert champion.run_id in {run.info.run_id for run in runs}
    assert (checkout.folder / "mlruns/explore/mnist_10k/first_nine.png").exists()
