"""One comparison, start to end: read, judge, draw, write, and log it as a run of its own."""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from statistics import mean
from typing import final
from uuid import uuid4

from src.comparison.contenders import Selection
from src.comparison.judgement import (
    OF_MODELS,
    PairwiseResult,
    Predictions,
    contender_score,
    judge,
    load_predictions,
    named,
    sentence,
)
from src.comparison.origins import (
    first_layer,
    load_model,
    load_source,
    load_test_images,
)
from src.comparison.pictures import ReportInputs, draw_galleries
from src.comparison.report import Comparison, write_report
from src.comparison.splits import OverSplits
from src.data.source import DataSource
from src.errors import UserError
from src.tracking.connection import Store
from src.tracking.database import make_folder
from src.tracking.queries import StoredRuns, TestSetUsage
from src.tracking.runs import DataDescription, start_run

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
    over: OverSplits | None = None,
) -> Outcome:
    """Compare the selection, write the report, and log it.

    name: of the report's folder, None for one made of the contenders. say: hears what is done.
    margin: share of images by which two may differ and are equivalent. decide: hears the judgement
    on the first pair, and returns what it decided. over: what came of other splits.
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
        inputs = _report_inputs(stored, selection, predictions, folder / "files", missing)
        say("drawing")
        comparison = Comparison(
            made=datetime.now(),
            selection=selection,
            standings=tuple(contender_score(found) for found in predictions),
            pairs=pairs,
            sentences=(
                *(over.sentences(margin) if over else ()),
                *_sentences(pairs, selection, predictions),
            ),
            galleries=draw_galleries(report / "figures", inputs),
            looks=_looks(stored, selection),
            decision=decision,
            missing=missing,
            over=over,
        )
        write_report(comparison, report)
        kept = _keep(report, stored.store.folder / "comparisons", name or _name(selection))
        run_id = _log(comparison, kept, report, stored.store)
    return Outcome(comparison, kept, run_id)


def _sentences(
    pairs: Sequence[PairwiseResult], selection: Selection, predictions: Sequence[Predictions]
) -> tuple[str, ...]:
    """Say each pair, the two best first; of more than three contenders only the best's pairs."""
    contenders = selection.contenders
    if pairs:
        means = [found.right.mean() for found in predictions]
        order = sorted(range(len(means)), key=lambda place: -means[place])
        ranked = sorted(pairs, key=lambda pair: {pair.first, pair.second} != set(order[:2]))
        single = next((pair for pair in ranked if pair.method in OF_MODELS), None)
        return tuple(
            sentence(
                pair,
                contenders,
                images=[len(predictions[place].labels) for place in (pair.first, pair.second)],
                caveat=pair is single,  # once is enough
            )
            for pair in ranked
            if len(contenders) <= MAX_SAID or order[0] in (pair.first, pair.second)
        )
    found = contender_score(predictions[0])
    return (
        f"{named(contenders[0])} is one configuration: mean accuracy {found.accuracy:.4f} "
        f"(95 % interval over seeds and images {found.low:.4f} to {found.high:.4f})",
    )


def _report_inputs(
    stored: StoredRuns,
    selection: Selection,
    predictions: Sequence[Predictions],
    folder: Path,
    missing: list[str],
) -> list[ReportInputs]:
    """Gather what can be had of each contender; what cannot is named with the reason."""
    sources: dict[tuple[str, str | None], DataSource] = {}
    inputs: list[ReportInputs] = []
    for contender, found in zip(selection.contenders, predictions, strict=True):
        run = contender.shown
        known = ReportInputs(contender, found)
        try:
            digests = run.tags["digest.split"], run.tags.get("digest.test")
            if digests not in sources:
                sources[digests] = load_source(stored, run)
            source = sources[digests]
            dataset, test = source.load(), selection.split == "test"
            images = load_test_images(source, run) if test else dataset.validation
            known = replace(known, dataset=dataset, images=images)
            layer = first_layer(load_model(stored, run, folder), images.pixels.shape[1:])
            if layer is not None:
                known = replace(known, weights=layer[0], linear=layer[1])
        except UserError as error:
            missing.append(f"pictures of {contender.label} ({error})")
        inputs.append(known)
    return inputs


def _looks(stored: StoredRuns, selection: Selection) -> TestSetUsage | None:
    found = [run.tags.get("digest.test") for c in selection.contenders for run in c.runs]
    looks = next((stored.looks(digest) for digest in found if digest), None)
    return looks if looks is not None and looks.looks else None


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
    accuracies, over = [score.accuracy for score in comparison.standings], comparison.over
    found = _numbers("compared/", accuracies, comparison.pairs)
    if over is not None:
        found |= _numbers("compared/splits_", [mean(a) for a in over.accuracies], over.pairs(0.0))
    return found


def _numbers(
    prefix: str, accuracies: Sequence[float], pairs: Sequence[PairwiseResult]
) -> dict[str, float]:
    found = {f"{prefix}accuracy_{n}": value for n, value in enumerate(accuracies, start=1)}
    for pair in pairs:
        key = f"{pair.first + 1}_less_{pair.second + 1}"
        found[f"{prefix}difference_{key}"] = pair.difference
        found[f"{prefix}difference_low_{key}"] = pair.low
        found[f"{prefix}difference_high_{key}"] = pair.high
        found[f"{prefix}p_holm_{key}"] = pair.p_holm
    return found
