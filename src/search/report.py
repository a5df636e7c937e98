"""What a sweep leaves behind: charts, the trials as a table, the best as a configuration."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState

from src.config.commands import command, tracking_overrides
from src.config.plan import Plan
from src.search.composer import PLAN_KEYS
from src.search.outcome import Outcome
from src.search.settings import SweepSettings

CHARTS = (
    "optimization_history",
    "param_importances",
    "slice",
    "parallel_coordinate",
    "intermediate_values",
    "timeline",
)


def write_report(
    outcome: Outcome, study: optuna.Study, settings: SweepSettings, *, best: Plan | None
) -> list[str]:
    """Write trials.csv, summary.json, experiment/best.yaml and the charts; return what is missing.

    A chart that Optuna cannot draw, as importances of a single trial, is named with the reason.
    Files of an earlier session are replaced whole, once all the new ones are there.
    """
    folder, missing = outcome.folder, ["charts: no trial was finished"]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".draft-", dir=folder) as name:
        draft = Path(name)
        study.trials_dataframe().to_csv(draft / "trials.csv", index=False)
        summary = json.dumps(asdict(outcome), default=str, indent=2)
        (draft / "summary.json").write_text(summary, encoding="utf-8")
        if best is not None:
            for part in ("experiment", "charts"):
                (draft / part).mkdir()
            again = _best_as_yaml(folder, study, best)
            (draft / "experiment" / "best.yaml").write_text(again, encoding="utf-8")
            missing = _draw_charts(draft / "charts" / "charts.html", study, settings)
        for new in [path for path in draft.rglob("*") if path.is_file()]:
            target = folder / new.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            new.replace(target)
    return missing


def best_command(folder: Path, elsewhere: Mapping[str, str | bool]) -> str:
    """Return the command that trains the best configuration again, in the same store."""
    return command("train", {"experiment": "best", **elsewhere}, "--config-dir", str(folder))


def _best_as_yaml(folder: Path, study: optuna.Study, plan: Plan) -> str:
    """Return the best configuration in the form of an experiment, which `src.train` composes."""
    sections = {key: plan.config[key] for key in PLAN_KEYS if key not in {"tracking", "name"}}
    defaults = [{f"override /{group}": option} for group, option in plan.choices.items()]
    head = (
        "# @package _global_\n"
        f"# {plan.name}, the winner of sweep {study.study_name}; train it again with\n"
        f"# {best_command(folder, tracking_overrides(plan.tracking))}\n"
    )
    return head + yaml.safe_dump({"defaults": defaults, **sections}, sort_keys=False)


def _draw_charts(path: Path, study: optuna.Study, settings: SweepSettings) -> list[str]:
    """Write all charts into one page that needs no network; return those that are missing."""
    import optuna.visualization as charts

    several = len(settings.objective) > 1
    names = ("pareto_front", "timeline") if several else CHARTS
    if len(study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)) < 2:
        names = ("intermediate_values", "timeline")  # the others compare trials
    missing: list[str] = []
    parts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental charts
        for name in names:
            options: dict[str, Any] = {}
            if name == "pareto_front":
                options = {"target_names": [o.metric for o in settings.objective]}
            elif name not in {"intermediate_values", "timeline"}:
                options = {"target_name": settings.objective[0].metric}
            try:
                figure = getattr(charts, f"plot_{name}")(study, **options)
                parts.append(figure.to_html(full_html=False, include_plotlyjs=not parts))
            except Exception as error:  # noqa: BLE001  the search is worth more than its charts
                missing.append(f"{name}: {error}")
    page = "<!doctype html><meta charset='utf-8'><title>Charts of the sweep</title>"
    path.write_text(page + "\n".join(parts), encoding="utf-8")
    return missing
