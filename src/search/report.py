"""What a sweep leaves behind: a page, the trials as a table, the best as a configuration."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import yaml

from src.config.commands import command, tracking_overrides
from src.config.plan import Plan
from src.search.advice import read_search
from src.search.composer import PLAN_KEYS
from src.search.outcome import Outcome
from src.search.request import Request


def write_report(
    outcome: Outcome, study: optuna.Study, request: Request, *, best: Plan | None
) -> Outcome:
    """Write report.html, trials.csv, summary.json and experiment/best.yaml.

    Returns the outcome with what its trials say of the search, and with what could not be made.
    Files of an earlier session are replaced whole, once all the new ones are there.
    """
    # loaded only now: matplotlib would delay the first trial
    from src.search.page import ended_trials, render_page

    if outcome.best is not None and len(request.settings.objective) == 1:
        advice = read_search(
            ended_trials(study),
            request.settings.objective[0],
            fresh={c.number: c.confirmed for c in outcome.finalists},
            reached=outcome.verdict.answer == "reached",
        )
        outcome = replace(outcome, advice=advice)
    elsewhere = tracking_overrides(request.plan.tracking)
    again = best_command(outcome.folder, elsewhere)
    texts = {}
    try:
        texts["report.html"] = render_page(outcome, study, request, again=again)
    except Exception as error:  # noqa: BLE001  the search is worth more than its charts
        outcome = replace(outcome, missing=[f"report: {error!r}"])
    texts["trials.csv"] = study.trials_dataframe().to_csv(index=False)
    texts["summary.json"] = json.dumps(asdict(outcome), default=str, indent=2)
    if best is not None:
        threads = best.trainer.threads
        if "trainer.threads" not in best.searched:  # it may be the share of a worker
            threads = request.composer.base_values()["trainer.threads"]
        texts["experiment/best.yaml"] = _best_as_yaml(study, best, threads=threads, again=again)
    outcome.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".draft-", dir=outcome.folder) as draft:
        for name, text in texts.items():
            (Path(draft) / Path(name).name).write_text(text, encoding="utf-8")
        for name in texts:
            target = outcome.folder / name
            target.parent.mkdir(exist_ok=True)
            (Path(draft) / target.name).replace(target)
    return outcome


def best_command(folder: Path, elsewhere: Mapping[str, str | bool]) -> str:
    """Return the command that trains the best configuration again, in the same store."""
    return command("train", {"experiment": "best", **elsewhere}, "--config-dir", str(folder))


def _best_as_yaml(study: optuna.Study, plan: Plan, *, threads: int | None, again: str) -> str:
    """Return the best configuration in the form of an experiment, which `src.train` composes."""
    sections = {key: plan.config[key] for key in PLAN_KEYS if key not in {"tracking", "name"}}
    sections["trainer"] = {**plan.config["trainer"], "threads": threads}
    defaults = [{f"override /{group}": option} for group, option in plan.choices.items()]
    head = (
        "# @package _global_\n"
        f"# {plan.name}, the winner of sweep {study.study_name}; train it again with\n"
        f"# {again}\n"
    )
    return head + yaml.safe_dump({"defaults": defaults, **sections}, sort_keys=False)
