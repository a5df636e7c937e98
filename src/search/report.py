"""What a sweep leaves behind: charts, the trials as a table, the best as a configuration."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from src.config.commands import command, tracking_overrides
from src.config.plan import Plan
from src.search.composer import PLAN_KEYS
from src.search.settings import SweepSettings

CHARTS = (
    "optimization_history",
    "param_importances",
    "slice",
    "parallel_coordinate",
    "intermediate_values",
    "timeline",
)

MAX_IN_LEGEND = 12
LOG_TICKS = [10.0**power for power in range(-9, 7)]
FINE_LOG_TICKS = [digit * tick for tick in LOG_TICKS for digit in (1, 2, 5)]
COUNTED = ("Step", "Trial")
"""Words of Optuna's charts under an axis of whole numbers."""


def write_report(
    folder: Path,
    study: optuna.Study,
    settings: SweepSettings,
    *,
    best: Plan | None,
    summary: Mapping[str, Any],
) -> list[str]:
    """Write trials.csv, summary.json, experiment/best.yaml and the charts; return what is missing.

    A chart that Optuna cannot draw, as importances of a single trial, is named with the reason.
    Files of an earlier session are replaced whole, once all the new ones are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = ["charts: no trial was finished"]
    with TemporaryDirectory(prefix=".draft-", dir=folder) as name:
        draft = Path(name)
        study.trials_dataframe().to_csv(draft / "trials.csv", index=False)
        (draft / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
        if best is not None:
            (draft / "experiment").mkdir()
            (draft / "experiment" / "best.yaml").write_text(
                _best_as_yaml(folder, study, best), encoding="utf-8"
            )
            missing = _draw_charts(draft, study, settings)
        for new in [path for path in draft.rglob("*") if path.is_file()]:
            target = folder / new.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            new.replace(target)
    return missing


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the best complete trial; of several objectives, the best in the first of them."""
    complete = study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)
    pick = max if study.directions[0] == optuna.study.StudyDirection.MAXIMIZE else min
    return pick(complete, key=lambda trial: trial.values[0]) if complete else None


def best_command(folder: Path, elsewhere: Mapping[str, str | bool]) -> str:
    """Return the command that trains the best configuration again, in the same store."""
    return command("train", {"experiment": "best", **elsewhere}, "--config-dir", str(folder))


def _best_as_yaml(folder: Path, study: optuna.Study, plan: Plan) -> str:
    """Return the best configuration in the form of an experiment, which `src.train` composes."""
    sections = {key: plan.config[key] for key in PLAN_KEYS if key not in {"tracking", "name"}}
    defaults = [{f"override /{group}": option} for group, option in plan.choices.items()]
    head = (
        "# @package _global_\n"
        f"# {plan.name}, the best trial of sweep {study.study_name}; train it again with\n"
        f"# {best_command(folder, tracking_overrides(plan.tracking))}\n"
    )
    return head + yaml.safe_dump({"defaults": defaults, **sections}, sort_keys=False)


def _draw_charts(folder: Path, study: optuna.Study, settings: SweepSettings) -> list[str]:
    import optuna.visualization as interactive
    import optuna.visualization.matplotlib as still

    folder = folder / "charts"
    folder.mkdir(exist_ok=True)
    several = len(settings.objective) > 1
    names = ("pareto_front", "timeline") if several else CHARTS
    if len(study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)) < 2:
        names = ("intermediate_values", "timeline")  # the others compare trials
    target_name = settings.objective[0].metric
    missing = []
    pages = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental charts, axes of a single value
        for name in names:
            options: dict[str, Any] = {}
            if name == "pareto_front":
                options = {"target_names": [o.metric for o in settings.objective]}
            elif name not in {"intermediate_values", "timeline"}:
                options = {"target_name": target_name}
            try:
                page = getattr(interactive, f"plot_{name}")(study, **options)
                _save_still(getattr(still, f"plot_{name}"), study, options, folder / f"{name}.png")
                pages.append(page)
            except Exception as error:  # noqa: BLE001  the search is worth more than its charts
                missing.append(f"{name}: {error}")
    _save_pages(pages, folder / "charts.html")
    return missing


def _save_still(
    plot: Callable[..., Any], study: optuna.Study, options: Mapping[str, Any], path: Path
) -> None:
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

    pyplot.switch_backend("agg")  # files only, also where there is a screen
    axes = plot(study, **options)
    legend = getattr(axes, "legend_", None)
    if legend is not None and len(legend.get_texts()) > MAX_IN_LEGEND:
        legend.remove()
    panels = [axes] if hasattr(axes, "figure") else list(axes.flat)
    figure = panels[0].figure
    figure.set_size_inches(max(10, 3 * len(panels)), 6)
    if path.stem == "parallel_coordinate":  # Optuna cuts the names, and many begin alike
        searched = sorted({name for trial in study.get_trials() for name in trial.params})
        axes.set_xticklabels([options["target_name"], *searched], rotation=15, ha="right")
        figure.set_size_inches(max(10, 2 * len(searched)), 6)
    for panel in panels:
        if panel.get_xlabel() in COUNTED:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if panel.get_xscale() == "log":  # Optuna's labels would lie over each other
            low, high = panel.get_xlim()
            ticks = FINE_LOG_TICKS if high < 50 * low else LOG_TICKS
            panel.xaxis.set_major_locator(FixedLocator(ticks))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_formatter(NullFormatter())
        if len(panels) > 1:
            panel.xaxis.label.set_size("small")
    figure.savefig(path, dpi=100, bbox_inches="tight")
    pyplot.close(figure)


def _save_pages(figures: list[Any], path: Path) -> None:
    """Write all interactive charts into one page that needs no network."""
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=number == 0)
        for number, figure in enumerate(figures)
    ]
    page = "<!doctype html><meta charset='utf-8'><title>Charts of the sweep</title>"
    path.write_text(page + "\n".join(parts), encoding="utf-8")
