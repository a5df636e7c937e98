"""The champion: the registered model that prediction uses, and how it changes."""

from dataclasses import dataclass
from typing import final

from mlflow.exceptions import MlflowException

from src.settings import Tracking
from src.tracking.store import open_store

ALIAS = "champion"


@final
@dataclass(frozen=True)
class Champion:
    """The registered version that carries the alias, and the run that trained it."""

    version: str
    run_id: str


def find_champion(settings: Tracking) -> Champion | None:
    """Return the champion of the experiment, None where none was promoted yet.

    The registered model has the name of the experiment.
    """
    store = open_store(settings)
    try:
        version = store.client.get_model_version_by_alias(settings.experiment, ALIAS)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return Champion(str(version.version), str(version.run_id))
