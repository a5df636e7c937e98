"""Whether a run becomes the champion: only if it beats the present one on the test images."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi
from pathlib import Path
from typing import final

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import ALPHA, PairwiseResult, p_text, points
from src.comparison.origins import load_model, load_source
from src.comparison.session import Outcome, compare
from src.comparison.settings import Request
from src.data.source import Dataset, digest
from src.errors import ConfigError, UserError
from src.inference.calibration import calibrate
from src.tracking.queries import VALIDATED, StoredRun, StoredRuns
from src.tracking.registry import Champion, find_champion, register_champion, run_of_champion
from src.tracking.runs import existing_run
from src.training.evaluation import evaluate_test, log_model


@final
@dataclass(frozen=True)
class Promotion:
    """What was decided on a challenger; outcome: the comparison, None without a champion."""

    promoted: bool
    words: str
    outcome: Outcome | None


def promote(
    stored: StoredRuns, request: Request, *, named: str, say: Callable[[str], None]
) -> Promotion:
    """Make the run champion if there is none, if it wins the paired test, or if forced.

    Both must have been scored on the same test images; a run that has not looked at them looks
    now, and the look is counted. The first champion meets nobody, and does not look. Raises
    ConfigError where the run cannot be used, even if forced; where nothing is forced also where
    the two cannot be compared, and RunGone where the champion's run was deleted.
    """
    challenger = stored.find(named, key="promote")
    if challenger.unfit:
        raise ConfigError(f"`promote`={named}: {challenger.unfit}")
    champion = find_champion(stored.store)
    if champion is not None and champion.run_id == challenger.id:
        raise ConfigError(
            f"`promote`={named}: is the champion already (version {champion.version})"
        )
    carry_out = partial(_carry_out, stored, request, challenger, champion)
    if champion is None:
        return carry_out("; ".join(filter(None, ("there was no champion", request.reason))))
    try:
        present = run_of_champion(stored.store, champion, instead=challenger.id)
        say("looking at the test images")
        present = _with_test_scores(stored, present, same_as=None)
        same_as = None if request.force else present
        challenger = _with_test_scores(stored, challenger, same_as=same_as)
        earlier = stored.looks(present.tags["digest.test"]).challenges
        outcome = compare(
            stored,
            _duel(challenger, present),
            name=request.name or f"promote-{challenger.id[:8]}",
            say=say,
            decide=lambda pair: _decision(pair, request, earlier)[1],
        )
    except UserError as error:
        if not request.force:
            raise
        why = error.problems[0].partition("; ")[0]
        return carry_out(f"forced, without a comparison ({why}): {request.reason}")
    wins, words = _decision(outcome.comparison.pairs[0], request, earlier)
    return carry_out(words, outcome=outcome, promoted=wins or request.force)


def _duel(*runs: StoredRun) -> Selection:
    """Let two runs meet on the test images, each for itself, seeds of one configuration too."""
    who = zip(runs, ("challenger", "champion"), strict=True)
    contenders = tuple(Contender(f"{run.name} ({word})", (run,)) for run, word in who)
    return Selection(contenders, "test", ())


def _decision(pair: PairwiseResult, request: Request, earlier: int) -> tuple[bool, str]:
    """Return whether the challenger wins, and the decision in words.

    earlier: challenges that were decided on the same test images. Of the 5 % that all of them
    together may be wrong, the k-th is given 6 / (pi k)^2, which adds up to 1 without an end (alpha
    spending: Lan and DeMets 1983).
    """
    level = ALPHA * 6 / (pi * (earlier + 1)) ** 2
    wins = pair.p_value < level and pair.difference > 0
    challenge = "first challenge" if earlier == 0 else f"challenge number {earlier + 1}"
    numbers = (
        f"{points(pair.difference)} points, 95 % interval {points(pair.low)} to "
        f"{points(pair.high)}, {p_text(pair.p_value)}, where the {challenge} on these test images "
        f"needs {level:.2g} or less"
    )
    if wins:
        return True, f"the challenger beats the champion ({numbers})"
    if request.force:
        return False, f"forced, without beating the champion ({numbers}): {request.reason}"
    return False, f"the challenger does not beat the champion ({numbers}), which stays"


def _with_test_scores(
    stored: StoredRuns, run: StoredRun, *, same_as: StoredRun | None
) -> StoredRun:
    """Return the run with its test predictions; looks at the test images where it never did.

    same_as: the run whose test images must be this one's; raises ConfigError, before any look,
    where they are not.
    """
    if run.tested:
        _expect_same(run, run.tags["digest.test"], same_as)
        return run
    with tempfile.TemporaryDirectory() as draft:
        images = load_source(stored, run).load_test()
        _expect_same(run, digest(images), same_as)
        model = load_model(stored, run, Path(draft))
        evaluate_test(model, images, existing_run(stored.store, run.id))
    return stored.get(run.id)


def _expect_same(run: StoredRun, found: str, other: StoredRun | None) -> None:
    if other is not None and found != other.tags["digest.test"]:
        raise ConfigError(
            f"`promote`={run.id}: its test images are not those of the champion {other.name!r} "
            f"({found[:12]}, not {other.tags['digest.test'][:12]}), so the two cannot be compared; "
            "promote it all the same with force=true reason='...'"
        )


def _exported(stored: StoredRuns, run: StoredRun) -> str:
    """Return the id of the run's exported model; exports it from its checkpoint where needed."""
    if run.model_id is None:
        with tempfile.TemporaryDirectory() as draft:
            model = load_model(stored, run, Path(draft))
            images = calibrate(stored, run, model).images
            dataset = Dataset(
                images,
                images,
                model.class_names,
                data_digest=run.tags["digest.data"],
                split_digest=run.tags["digest.split"],
            )
            kept = existing_run(stored.store, run.id)
            log_model(model, dataset, kept, data=run.tags["data"])
        run = stored.get(run.id)
    assert run.model_id is not None
    return run.model_id


def scores_of(run: StoredRun) -> str:
    """Return in lines of Markdown what a run reaches, and on which images."""
    lines, seen = [], run.metrics
    if run.tested:
        low, high = seen["test/accuracy_low"], seen["test/accuracy_high"]
        lines.append(
            f"Test accuracy {seen['test/accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f}), "
            f"log loss {seen['test/log_loss']:.4f}, on the test images of {run.data}."
        )
    if VALIDATED in seen:
        lines.append(
            f"Validation accuracy {seen[VALIDATED]:.4f}, log loss {seen['best/val_loss']:.4f}, on "
            f"the validation images of {run.data}, split {run.tags['digest.split'][:12]}."
        )
    return "\n\n".join(lines)


def _carry_out(
    stored: StoredRuns,
    request: Request,
    challenger: StoredRun,
    champion: Champion | None,
    words: str,
    *,
    outcome: Outcome | None = None,
    promoted: bool = True,
) -> Promotion:
    """Move the alias if so decided, and leave the decision as tags."""
    tags = {
        "promotion.decision": "promoted" if promoted else "refused",
        "promotion.because": words,
        "promotion.forced": str(request.force).lower(),
        "promotion.challenger": challenger.id,
        "promotion.champion": champion.run_id if champion else "none",
    }
    if outcome is not None:
        pair = outcome.comparison.pairs[0]
        tags |= {
            "promotion.comparison": outcome.run_id,
            "promotion.difference": f"{pair.difference:.6f}",
            "promotion.interval": f"{pair.low:.6f} to {pair.high:.6f}",
            "promotion.p_value": f"{pair.p_value:.6g}",
        }
    said = f"{challenger.name} ({challenger.id}): {words}"
    if promoted:
        now = register_champion(
            stored.store,
            challenger.id,
            model_id=_exported(stored, challenger),
            tags=tags,
            description=f"{scores_of(stored.get(challenger.id))}\n\n{said}.",
        )
        said = f"champion is now version {now.version}, {said}"
    for run_id in [challenger.id, *([outcome.run_id] if outcome else [])]:
        existing_run(stored.store, run_id).set_tags(tags)
    return Promotion(promoted, said, outcome)
