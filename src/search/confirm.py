"""The best trials on fresh seeds: how they are trained again, and which of them wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any, final

import optuna

from src.config.plan import Plan
from src.search.messages import Job
from src.search.screen import number
from src.search.session import Session
from src.search.settings import SweepSettings
from src.search.study import best_first, trial_seed
from src.search.tasks import Done, run_tasks
from src.stats.differences import clearly_behind
from src.training.description import run_name

FIRST_FRESH_SEED = 1_000_000
"""Number whose seed the first confirmation gets; trials never come that far."""
CONFIRMATIONS = "confirmed"


@final
@dataclass(frozen=True)
class Candidate:
    """One of the best trials: its value in the search, and those on fresh seeds so far."""

    number: int
    run_id: str
    value: float
    epochs: int
    assignment: Mapping[str, Any]
    name: str
    confirmed: tuple[float, ...]

    @property
    def fresh(self) -> float | None:
        """The mean on fresh seeds."""
        return mean(self.confirmed) if self.confirmed else None

    def plan(self, session: Session) -> Plan:
        """Return what the trial has trained."""
        return session.trial_plan(dict(self.assignment), self.number)


def candidates(study: optuna.Study, settings: SweepSettings) -> list[Candidate]:
    """Return the best `confirm.top` configurations, of those that reached a target if any has.

    The first of them is the best trial.
    """
    by, ranked, done = settings.objective[0], best_first(study), study.user_attrs
    if settings.target is not None:
        ranked = [t for t in ranked if by.reaches(t.values[0], settings.target)] or ranked
    found: list[Candidate] = []
    for trial in ranked:
        known = [candidate.assignment for candidate in found]
        if len(found) < settings.confirm.top and trial.user_attrs["assignment"] not in known:
            name = f"{study.study_name} {trial.number:03}"
            confirmed = done.get(CONFIRMATIONS, {}).items()
            found.append(
                Candidate(
                    trial.number,
                    trial.user_attrs["run_id"],
                    trial.values[0],
                    trial.user_attrs["best_epoch"],
                    trial.user_attrs["assignment"],
                    name,
                    tuple(v[by.metric] for key, v in confirmed if key.startswith(f"{name} ")),
                )
            )
    return found


def choose_winner(found: Sequence[Candidate], settings: SweepSettings) -> Candidate | None:
    """Return the candidate with the best mean on all fresh seeds; the best trial without any."""
    settled = [c for c in found if c.confirmed and len(c.confirmed) >= settings.confirm.seeds]
    sign = settings.objective[0].sign
    best = max(settled, key=lambda c: sign * mean(c.confirmed), default=None)
    return best or (found[0] if found else None)


def confirm(session: Session) -> None:
    """Train the best trials again, each on the same fresh seeds, one seed after the other.

    Who is clearly behind gets no more seeds.
    """
    study, settings = session.study, session.request.settings
    by, seeds = settings.objective[0], settings.confirm.seeds
    found = candidates(study, settings)
    jobs = {key: job for n in range(seeds) for key, job in _round(session, found, n).items()}
    if not jobs.keys() <= study.user_attrs.get(CONFIRMATIONS, {}).keys():
        which = ", ".join(str(candidate.number) for candidate in found)
        session.screen.say(f"trial {which} again, on {seeds} fresh seeds")

    def wanted(done: Done) -> dict[str, Job]:
        now = candidates(study, settings)
        behind = clearly_behind([[by.sign * value for value in c.confirmed] for c in now])
        out = {c.name for c, is_behind in zip(now, behind, strict=True) if is_behind}
        return {key: job for key, job in jobs.items() if job.tags["confirmation.of"] not in out}

    run_tasks(session, CONFIRMATIONS, wanted)
    for candidate in candidates(study, settings):
        if candidate.fresh is not None:
            session.screen.say(f"trial {candidate.number}: {number(candidate.fresh)}")


def _round(session: Session, found: Sequence[Candidate], n: int) -> dict[str, Job]:
    """Return the trainings of every candidate on one fresh seed, the best trial's first."""
    seeds = session.request.settings.confirm.seeds
    seed = trial_seed(session.request.settings.seed, FIRST_FRESH_SEED + n)
    jobs = {}
    for c in found:
        plan = c.plan(session)
        plan = replace(plan, seed=seed, name=run_name(plan, confirmation=(n + 1, seeds)))
        jobs[f"{c.name} seed {n + 1}"] = Job(
            n,
            plan,
            metric=None,
            parent=session.parent,
            sweep=session.study.study_name,
            kind="confirmation",
            tags={"confirmation.of": c.name},
        )
    return jobs
