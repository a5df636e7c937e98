"""Where studies are kept, each for one driver at a time."""

import re
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from optuna.storages import BaseStorage


class Studies(ABC):
    """All studies of one place, each for one driver at a time."""

    @abstractmethod
    def lock(self, sweep: str) -> AbstractContextManager[BaseStorage]:
        """Keep other drivers from a sweep and its fresh starts, and give the storage meanwhile.

        The lock is released when its process dies. Raises SweepLockedError where another has it.
        """


def without_generation(study: str) -> str:
    """Return the name of the sweep that a study belongs to, maybe after fresh starts."""
    return re.sub(r"[.][0-9]+$", "", study)
