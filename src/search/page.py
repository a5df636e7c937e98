"""The page of a sweep: what came out, what to do about it, its trials, and charts of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from src.figures import search as charts
from src.figures.page import data_uri, make_renderer
from src.search.outcome import Outcome
from src.search.request import Request
from src.search.screen import number, short, short_names
from src.search.settings import Objective
from src.search.study import curve, keeps_within, stopped_trials

TEMPLATES = Path(__file__).parent / "templates"
FILTERS: dict[str, Callable[..., str]] = {"data_uri": data_uri, "number": number, "short": short}
MIN_TRIALS_FOR_IMPORTANCES = 10
FORESTS = 5
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ran and have ended, in the order they ended."""
    trials = study.get_trials(states=tuple(STATES), deepcopy=False)
    return sorted((t for t in trials if t.datetime_start), key=lambda t: str(t.datetime_complete))


def render_page(outcome: Outcome, study: optuna.Study, request: Request, *, again: str) -> str:
    """Return the page as HTML; again: the command that trains the winner again."""
    trials, objectives = ended_trials(study), request.settings.objective
    stopped, by = stopped_trials(study), objectives[0]
    states = {t.number: "stopped" if t.number in stopped else STATES[t.state] for t in trials}
    states |= {t.number: "excluded" for t in trials if not keeps_within(t)}
    values = {t.number: value for t in trials if (value := _value(t, by)) is not None}
    spans, order = _spans(trials), ["complete", "excluded", "pruned", "failed", "stopped"]
    drawn: dict[str, Any] = {}
    if trials:
        bars = [(*spans[n], "winner" if n == outcome.best else states[n]) for n in spans]
        drawn["timeline"] = charts.draw_timeline(bars)
    if outcome.best is not None and len(objectives) > 1:
        drawn["fronts"] = _fronts(study, objectives)
    elif outcome.best is not None:
        shown = [t for t in trials if t.number in values]
        of = charts.Values(
            by.metric,
            np.array([values[t.number] for t in shown]),
            whole=np.array([states[t.number] == "complete" for t in shown]),
            best=[t.number for t in shown].index(outcome.best),
            maximize=by.sign > 0,
            excluded=np.array([states[t.number] == "excluded" for t in shown]),
        )
        ends = [spans[t.number][2] for t in shown]
        drawn |= _charts(shown, of, ends, request.settings.target)
    known = {
        "o": outcome,
        "again": again,
        "objectives": objectives,
        "target": request.settings.target,
        "names": short_names(list(request.space.entries)),
        "trials": sorted(
            trials,
            key=lambda t: (order.index(states[t.number]), -by.sign * values.get(t.number, 0)),
        ),
        "states": states,
        "values": values,
        "charts": drawn,
        "importances": _importances(study) if len(objectives) == 1 else {},
    }
    return make_renderer(TEMPLATES, filters=FILTERS)("report.html.j2", known)


def _charts(
    trials: Sequence[FrozenTrial], of: charts.Values, ends: Sequence[float], target: float | None
) -> dict[str, Any]:
    """Return the charts of a search of one objective as SVG, by name."""
    columns: dict[str, list[Any]] = {}
    log = set()
    for key, space in {k: space for t in trials for k, space in t.distributions.items()}.items():
        name, column = _short(key), [t.params.get(key) for t in trials]
        if isinstance(space, CategoricalDistribution):
            column = [str(t.params[key]) if key in t.params else None for t in trials]
        elif getattr(space, "log", False):
            log.add(name)
        columns[name] = column
    counted, curves = range(1, len(trials) + 1), [curve(trial) for trial in trials]
    slices = [charts.draw_slice(name, c, of, log=name in log) for name, c in columns.items()]
    return {
        "by trials": charts.draw_best_so_far(of, counted, target=target, x_label="finished trials"),
        "by seconds": charts.draw_best_so_far(of, ends, target=target, x_label="seconds"),
        "expected": charts.draw_expected_best(of),
        "curves": charts.draw_trial_curves(curves, of) if any(curves) else None,
        "slices": slices,
        "parallel": charts.draw_parallel(columns, of, log=log),
    }


def _fronts(study: optuna.Study, objectives: Sequence[Objective]) -> list[bytes]:
    """Return charts of the trials by the first objective and each of the others."""
    trials = study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)
    front = np.isin([t.number for t in trials], [t.number for t in study.best_trials])
    first, *others = np.array([t.values for t in trials]).T
    of = charts.Values(objectives[0].metric, first, front, -1, objectives[0].sign > 0)
    named = zip(others, objectives[1:], strict=True)
    return [charts.draw_front(other, of, name=by.metric) for other, by in named]


def _importances(study: optuna.Study) -> dict[str, list[float]]:
    """Return each hyperparameter's shares of the variance, 0..1, by several forests."""
    complete = study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)
    if len(complete) < MIN_TRIALS_FOR_IMPORTANCES or len({t.value for t in complete}) == 1:
        return {}
    shares: dict[str, list[float]] = {}
    for seed in range(FORESTS):
        forest = FanovaImportanceEvaluator(n_trees=16, max_depth=8, seed=seed)
        for key, share in get_param_importances(study, evaluator=forest).items():
            shares.setdefault(_short(key), []).append(float(share))
    ranked = sorted(shares, key=lambda name: -sum(shares[name]))
    return {name: sorted(shares[name]) for name in ranked}


def _value(trial: FrozenTrial, by: Objective) -> float | None:
    """Return the first objective; of a pruned trial its best epoch's, None where there is none."""
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    known = curve(trial) if trial.state == TrialState.PRUNED else []
    return max(known, key=lambda value: by.sign * value, default=None)


def _spans(trials: Sequence[Any]) -> Mapping[int, tuple[int, float, float]]:
    """Return of every trial a worker that was free, and from when to when it ran.

    In seconds that pass only while trials run.
    """
    spans, free = {}, list[float]()
    last = begun = min((t.datetime_start for t in trials), default=None)
    for trial in sorted(trials, key=lambda t: str(t.datetime_start)):
        start, end = trial.datetime_start, trial.datetime_complete
        if trial.state == TrialState.FAIL and "end_reason" not in trial.user_attrs:
            end = start  # its driver died, nobody knows when
        begun, last = begun + max(start - last, timedelta()), max(last, end)
        began, ended = ((at - begun).total_seconds() for at in (start, end))
        worker = next((n for n, until in enumerate(free) if until <= began), len(free))
        free[worker : worker + 1] = [ended]
        spans[trial.number] = worker, began, ended
    return spans


def _short(key: str) -> str:
    """Return the last part of an Optuna parameter's name, of a layer's with the part before it."""
    *before, last = key.split(".")
    return f"{before[-1]} {last}" if before and (last.isdigit() or last == "layers") else last
