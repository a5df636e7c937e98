"""One comparison, start to end: read, judge, draw, write, and log it as a run of its own."""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import final
from uuid import uuid4

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import (
    PairwiseResult,
    Predictions,
    contender_score,
    judge,
    load_predictions,
    named,
    sentence,
)
from src.comparison.origins import (
    Origin,
    first_layer,
    load_model,
    load_origin,
    load_test_images,
)
from src.comparison.pictures import ReportInputs, draw_galleries
from src.comparison.report import Comparison, write_report
from src.errors import UserError
from src.tracking.connection import Store
from src.tracking.database import make_folder
from src.tracking.queries import StoredRuns, TestSetUsage
from src.tracking.runs import DataDescription, start_run

CURVES = ("val_accuracy", "val_loss")
MAX_SAID = 3
"""Contenders up to whom every pair is a sentence."""


@final
@dataclass(frozen=True)
class Outcome:
    """A comparison, where its report is, and the run it was logged as."""

    comparison: Comparison
    folder: Path
    run_id: str


def compare(
    stored: StoredRuns,
    selection: Selection,
    *,
    name: str | None,
    margin: float = 0.0,
    say: Callable[[str], None],
    decide: Callable[[PairwiseResult], str] | None = None,
) -> Outcome:
    """Compare the selection, write the report, and log it.

    name: of the report's folder, None for one made of the contenders. say: hears what is done.
    margin: share of images by which two may differ and are equivalent. decide: hears the judgement
    on the first pair, and returns what it decided.
    Raises TrackingError where predictions cannot be had; whatever else is missing is left out of
    the report, which says so.
    """
    with tempfile.TemporaryDirectory() as draft:
        folder = Path(draft)
        report = folder / "report"
        (report / "figures").mkdir(parents=True)
        say("reading predictions")
        predictions = load_predictions(stored, selection, folder / "files")
        pairs = judge(predictions, margin=margin)
        decision = decide(pairs[0]) if decide else ""
        missing: list[str] = []
        say("reading data and models")
        materials = _materials(stored, selection, folder / "files", missing)
        say("drawing")
        comparison = Comparison(
            title=_title(selection.contenders),
            made=datetime.now(),
            selection=selection,
            standings=tuple(contender_score(found) for found in predictions),
            pairs=pairs,
            sentences=_sentences(pairs, selection, predictions),
            galleries=draw_galleries(report / "figures", selection, predictions, materials),
            looks=_looks(stored, selection),
            decision=decision,
            missing=missing,
        )
        write_report(comparison, report)
        kept = _keep(report, stored.store.folder / "comparisons", name or _name(selection))
        run_id = _log(comparison, kept, report, stored.store)
    return Outcome(comparison, kept, run_id)


def _title(contenders: Sequence[Contender]) -> str:
    if len(contenders) == 1:
        return named(contenders[0])
    labels = [named(contender) for contender in contenders]
    return f"{', '.join(labels[:-1])} and {labels[-1]} compared"


def _sentences(
    pairs: Sequence[PairwiseResult], selection: Selection, predictions: Sequence[Predictions]
) -> tuple[str, ...]:
    """Say each pair; of more than three contenders only what the best is against the others."""
    contenders = selection.contenders
    if pairs:
        best = max(range(len(predictions)), key=lambda place: predictions[place].right.mean())
        return tuple(
            sentence(
                pair,
                contenders,
                images=[len(predictions[place].labels) for place in (pair.first, pair.second)],
            )
            for pair in pairs
            if len(contenders) <= MAX_SAID or best in (pair.first, pair.second)
        )
    found = contender_score(predictions[0])
    return (
        f"{named(contenders[0])} is one configuration: mean accuracy {found.accuracy:.4f} "
        f"(95 % interval over seeds and images {found.low:.4f} to {found.high:.4f})",
    )


def _materials(
    stored: StoredRuns, selection: Selection, folder: Path, missing: list[str]
) -> list[ReportInputs]:
    """Gather what can be had of each contender; what cannot is named with the reason."""
    origins: dict[tuple[str, str | None], Origin] = {}
    materials: list[ReportInputs] = []
    for contender in selection.contenders:
        run = contender.shown
        material = ReportInputs(
            curves=[stored.curves(r.id, CURVES) for r in contender.runs],
            dataset=None,
            images=None,
            weights=None,
            linear=False,
        )
        try:
            digests = run.tags["digest.split"], run.tags.get("digest.test")
            if digests not in origins:
                origins[digests] = load_origin(stored, run)
            origin = origins[digests]
            test = selection.split == "test"
            images = load_test_images(origin, run) if test else origin.dataset.validation
            material = replace(material, dataset=origin.dataset, images=images)
            model = load_model(stored, run, folder)
            found = first_layer(model, images.pixels.shape[1:])
            if found is not None:
                material = replace(material, weights=found[0], linear=found[1])
        except UserError as error:
            missing.append(f"pictures of {contender.label} ({error})")
        materials.append(material)
    return materials


def _looks(stored: StoredRuns, selection: Selection) -> TestSetUsage | None:
    for contender in selection.contenders:
        tags = contender.shown.tags
        if "digest.test" in tags:
            return stored.looks(test_digest=tags["digest.test"], split_digest=tags["digest.split"])
    return None


def _name(selection: Selection) -> str:
    """Return a name for a folder, made of the contenders."""
    labels = "-".join(contender.label for contender in selection.contenders)
    return re.sub(r"[^\w.=]+", "-", labels).strip("-.")[:80]


def _keep(report: Path, root: Path, name: str) -> Path:
    """Move the report to a folder of its own, NAME, NAME.2, ...: an older one stays as it is."""
    draft = make_folder(root) / f".{uuid4().hex}"
    shutil.copytree(report, draft, ignore=shutil.ignore_patterns("figures"))
    for number in count(1):
        target = root / (name if number == 1 else f"{name}.{number}")
        try:
            return draft.rename(target)
        except OSError:
            if not target.exists():
                raise
    raise AssertionError


def _log(comparison: Comparison, kept: Path, report: Path, store: Store) -> str:
    """Log the report and its pictures on a run of its own, and return its id."""
    first = comparison.contenders[0].shown
    shared = ["digest.split", "digest.data", "data"]
    if comparison.selection.split == "test":
        shared.append("digest.test")
    ids = {c.label: [run.id for run in c.runs] for c in comparison.contenders}
    run = start_run(
        store,
        name=f"compare {kept.name}",
        params={f"contender.{n}": named(c) for n, c in enumerate(comparison.contenders, start=1)},
        tags={
            "comparison": kept.name,
            "verdict": "; ".join(comparison.sentences),
            "compared.runs": ", ".join(run_id for some in ids.values() for run_id in some),
            "compared.split": comparison.selection.split,
            "mlflow.source.name": "src.compare",
            "mlflow.note.content": (report / "report.md").read_text(encoding="utf-8"),
            **{key: first.tags[key] for key in shared},
        },
        data=DataDescription(
            name=first.tags["data"],
            digest=first.tags["digest.data"],
            source=first.tags["data"],
            profile={"images": comparison.standings[0].images},
        ),
        config={"runs": ids, "split": comparison.selection.split},
    )
    try:
        run.log_metrics(_metrics(comparison))
        run.log_files(report)
    except BaseException as error:
        run.finish(
            "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", reason=str(error)
        )
        raise
    run.finish("FINISHED")
    return run.id


def _metrics(comparison: Comparison) -> dict[str, float]:
    """Return numbers under one heading, below those of trainings in the UI's charts."""
    found = {
        f"compared/accuracy_{number}": score.accuracy
        for number, score in enumerate(comparison.standings, start=1)
    }
    for pair in comparison.pairs:
        key = f"{pair.first + 1}_less_{pair.second + 1}"
        found |= {
            f"compared/difference_{key}": pair.difference,
            f"compared/difference_low_{key}": pair.low,
            f"compared/difference_high_{key}": pair.high,
            f"compared/p_holm_{key}": pair.p_holm,
        }
    return found
