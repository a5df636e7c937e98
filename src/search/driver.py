"""The one process that owns the study: asks Optuna, hands out trials, answers epochs."""

from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import final

from optuna.trial import Trial, TrialState

from src.errors import ConfigError, StudyStorageUnavailable
from src.search.executors.base import Worker, WorkerDied, ends_job
from src.search.messages import (
    Continue,
    Epoch,
    Failed,
    Finished,
    FromWorker,
    Job,
    Prune,
    Started,
    Stop,
    Stopped,
)
from src.search.session import Session
from src.search.study import best_first, best_value, finished_trials, is_better, try_again
from src.search.tasks import POLL_INTERVAL_S


@final
@dataclass
class _Running:
    trial: Trial
    began: float
    job: Job | None = None
    run_id: str | None = None
    epochs: int = 0
    reported: int = 0
    tries: int = 1
    broken: str | None = None


@final
class Driver:
    """Runs a search until a target, a budget, failures or a signal end it.

    stop_reason is None while the search goes on, then one line for people.
    """

    def __init__(self, session: Session) -> None:
        request, study = session.request, session.study
        self._session = session
        self._study = study
        self._settings = request.settings
        self._executor = session.executor
        self._screen = session.screen
        self._base = request.composer.base_values()
        self._running: dict[Worker, _Running] = {}
        self._failed_in_a_row = 0
        self._again: list[_Running] = []
        self._finished = len(finished_trials(study))
        self._best = best_value(study)
        self.stop_reason: str | None = self._reached_before()

    def run(self) -> None:
        """Search; on return no trial of this driver is left running."""
        try:
            self._loop()
        finally:
            with suppress(StudyStorageUnavailable):  # the next session finds the rest
                for running in [*self._running.values(), *self._again]:  # only after an exception
                    try_again(self._study, running.trial, reason="its driver failed")
                self._session.usage.note(searching=True)

    def _loop(self) -> None:
        while True:
            self._check_budgets()
            for worker in self._executor.idle:
                self._hand_out(worker)
            if not self._running and (self.stop_reason or not self._may_start()):
                break
            for worker, message in self._executor.wait(POLL_INTERVAL_S):
                self._handle(worker, message)
            self._screen.progress(
                finished=self._finished,
                running={r.trial.number: r.epochs for r in self._running.values()},
                best=self._best,
            )

    def _may_start(self) -> bool:
        return bool(self._again) or self._wants_trial()

    def _wants_trial(self) -> bool:
        open_places = self._settings.n_trials - self._finished
        return len(self._running) < open_places

    def _check_budgets(self) -> None:
        timeout = self._settings.timeout_minutes
        if self._session.stop.interrupted is not None:
            self._end(str(self._session.stop.interrupted))
        elif timeout is not None and self._session.usage.searching > timeout * 60:
            self._end(f"the time budget of {timeout:g} minutes is used up")
        elif self.stop_reason is None and not self._may_start() and not self._running:
            self.stop_reason = f"the budget of {self._settings.n_trials} trials is used up"

    def _end(self, reason: str) -> None:
        """Stop asking for trials, and end the running ones."""
        self.stop_reason = self.stop_reason or reason
        for worker in self._running:
            self._executor.answer(worker, Stop(reason))
        while self._again:
            running = self._again.pop()
            if running.run_id is not None:
                self._session.end_run(running.run_id, "KILLED", reason=reason)
            self._close(running, Stopped(pruned=False))

    def _hand_out(self, worker: Worker) -> None:
        while self.stop_reason is None and self._may_start():
            running = self._again.pop() if self._again else self._ask()
            if running.job is not None:
                self._running[worker] = running
                self._executor.submit(worker, running.job)
                return

    def _ask(self) -> _Running:
        trial = self._study.ask()
        assignment = self._session.request.space.draw(trial, self._base)
        trial.set_user_attr("assignment", assignment)
        running = _Running(trial, perf_counter())
        try:
            plan = self._session.trial_plan(assignment, trial.number)
        except ConfigError as error:  # each value fits, but not all of them together
            self._close(running, Failed(str(error)))
        else:
            metric = self._settings.epoch_metric
            running.job = Job(
                trial.number,
                plan,
                metric=metric,
                parent=self._session.parent,
                sweep=self._study.study_name,
            )
        return running

    def _handle(self, worker: Worker, message: FromWorker | WorkerDied) -> None:
        running = self._running.get(worker)
        if isinstance(message, WorkerDied):
            self._executor.replace(worker)
        if running is None:
            return
        if isinstance(message, Started):
            running.run_id = message.run_id
            running.trial.set_user_attr("run_id", message.run_id)
            running.broken = self._constrain(running.trial, message.parameters)
            if running.broken:  # it could not win, and would stand in the way of those that can
                self._executor.answer(worker, Prune(running.broken))
        elif isinstance(message, Epoch):
            running.epochs = message.number
            self._executor.answer(worker, self._decide_pruning(running, message))
        if ends_job(message):
            self._executor.release(worker)
            del self._running[worker]
            self._close(running, message)

    def _decide_pruning(self, running: _Running, epoch: Epoch) -> Continue | Prune:
        if epoch.value is None:
            return Continue()
        if epoch.number > running.reported:  # not again after a worker's death
            running.trial.report(epoch.value, epoch.number)
            running.reported = epoch.number
        hopeful = self._reaches(epoch.value) or not _epochs_left(running)
        if not hopeful and running.trial.should_prune():
            return Prune()
        return Continue()

    def _close(self, running: _Running, message: FromWorker | WorkerDied) -> None:
        state, reason = TrialState.FAIL, None
        values: list[float] | None = None
        running.trial.set_user_attr("epochs", running.epochs)
        if isinstance(message, Finished):
            state = TrialState.COMPLETE
            values = [message.values[o.metric] for o in self._settings.objective]
            counts = {"epochs": message.epochs, "best_epoch": message.best_epoch}
            for name, value in {**message.values, **counts}.items():
                running.trial.set_user_attr(name, value)
            reason = running.broken
        elif isinstance(message, Stopped) and message.pruned:
            state, reason = TrialState.PRUNED, running.broken or f"after epoch {running.epochs}"
        elif isinstance(message, Stopped):
            self._line(running, "STOPPED", None, "")
            try_again(self._study, running.trial, reason=self.stop_reason or "stopped")
            return
        elif isinstance(message, Failed):
            reason = message.reason.splitlines()[0]
        elif isinstance(message, WorkerDied):
            reason = "its worker died"
            if self._retry(running):
                return
        if reason:
            running.trial.set_user_attr("end_reason", reason)
        self._study.tell(running.trial, values, state)
        self._session.usage.note(searching=True)
        self._finished += state != TrialState.FAIL
        candidate = values[0] if values is not None and reason is None else None
        if candidate is not None:
            self._note_best(candidate)
        told = reason if state == TrialState.FAIL else running.broken
        self._line(running, state.name, values, told or "")
        self._count_failures(state, reason)
        if candidate is not None and self._reaches(candidate):
            self._end(self._reached(running.trial.number))

    def _note_best(self, value: float) -> None:
        first, *others = self._settings.objective
        if not others and is_better(value, self._best, sign=first.sign):
            self._best = value

    def _constrain(self, trial: Trial, parameters: int) -> str | None:
        """Tell Optuna by how much a trial is beyond its constraint; return how it breaks it."""
        most = self._settings.constraints.parameters
        if most is None:
            return None
        trial.set_constraint("parameters", parameters - most)
        return f"{parameters:,} parameters, at most {most:,}" if parameters > most else None

    def _retry(self, running: _Running) -> bool:
        """Enqueue a trial whose worker died for one more try, on from its last checkpoint."""
        if running.tries > 1 or self.stop_reason is not None:
            if running.run_id is not None:
                self._session.end_run(running.run_id, "FAILED", reason="its worker died")
            return False
        assert running.job is not None
        running.tries += 1
        if running.run_id is not None:
            plan = replace(running.job.plan, resume=running.run_id)
            running.job = replace(running.job, plan=plan)
        self._again.append(running)
        return True

    def _count_failures(self, state: TrialState, reason: str | None) -> None:
        self._failed_in_a_row = self._failed_in_a_row + 1 if state == TrialState.FAIL else 0
        if self._failed_in_a_row >= self._settings.max_failures:
            self._end(f"{self._failed_in_a_row} trials in a row failed, the last one: {reason}")

    def _reaches(self, value: float) -> bool:
        target, objective = self._settings.target, self._settings.objective
        return target is not None and len(objective) == 1 and objective[0].reaches(value, target)

    def _reached(self, number: int) -> str:
        return f"trial {number} reached the target {self._settings.target:g}"

    def _reached_before(self) -> str | None:
        """Return the stop reason of a search that had reached its target in an earlier session."""
        reached = [t.number for t in best_first(self._study) if self._reaches(t.values[0])]
        return self._reached(min(reached)) if reached else None

    def _line(self, running: _Running, state: str, values: list[float] | None, reason: str) -> None:
        self._screen.trial(
            running.trial.number,
            state=state,
            values=values,
            best=self._best,
            assignment=running.trial.user_attrs["assignment"],
            seconds=perf_counter() - running.began,
            epochs=running.epochs,
            reason=reason,
        )


def _epochs_left(running: _Running) -> int:
    assert running.job is not None
    return running.job.plan.trainer.max_epochs - running.epochs
