"""What a sweep has taken so far, over all its sessions."""

from time import perf_counter
from typing import final

import optuna

from src.search.executors.base import Executor

NOTHING = {"wall": 0.0, "searching": 0.0, "busy": 0.0, "available": 0.0}


@final
class Usage:
    """Seconds of a sweep; kept with the study, so that a killed session is not forgotten."""

    def __init__(self, study: optuna.Study, executor: Executor) -> None:
        self._study = study
        self._executor = executor
        self._taken: dict[str, float] = {**NOTHING, **study.user_attrs.get("effort", {})}
        self._last = perf_counter()
        self._busy_before = executor.busy_seconds

    @property
    def seconds(self) -> float:
        """Wall seconds, confirmation included."""
        return self._taken["wall"] + perf_counter() - self._last

    @property
    def searching(self) -> float:
        """Wall seconds of the search itself, while it goes on."""
        return self._taken["searching"] + perf_counter() - self._last

    @property
    def utilisation(self) -> float:
        """Share of the workers' time that went into trials while the search went on, 0..1."""
        return self._taken["busy"] / self._taken["available"] if self._taken["available"] else 0.0

    def note(self, *, searching: bool) -> None:
        """Keep what was taken since the last note; workers count only while trials are searched."""
        now, busy = perf_counter(), self._executor.busy_seconds
        self._taken["wall"] += now - self._last
        if searching:
            self._taken["searching"] += now - self._last
            self._taken["busy"] += busy - self._busy_before
            self._taken["available"] += self._executor.num_workers * (now - self._last)
        self._last, self._busy_before = now, busy
        self._study.set_user_attr("effort", self._taken)
