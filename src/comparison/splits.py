"""The contenders trained anew on other splits of the same rows, and what that says of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from src.comparison.contenders import Contender, Selection
from src.comparison.judgement import PairwiseResult, corrected, of_means, sentence
from src.comparison.origins import load_source
from src.config.plan import Plan, make_plan
from src.data.source import DataSource
from src.errors import ConfigError, UserError
from src.process.signals import Halted
from src.stats.seeds import splits_difference
from src.tracking.queries import SPLIT, VALIDATED, StoredRuns
from src.training.description import config_digest
from src.training.progress import EpochReporter
from src.training.train_run import train


@final
@dataclass(frozen=True)
class OverSplits:
    """Validation accuracies on the same splits, a row a contender, a column a split.

    sizes: how many rows of a split train, and how many validate.
    """

    contenders: tuple[Contender, ...]
    accuracies: tuple[tuple[float, ...], ...]
    sizes: tuple[int, int]

    def pairs(self, margin: float) -> tuple[PairwiseResult, ...]:
        """Compare all pairs; margin: share by which two may differ and are equivalent."""
        ratio = self.sizes[1] / self.sizes[0]
        pairs = []
        for first, second in combinations(range(len(self.contenders)), 2):
            rows = self.accuracies[first], self.accuracies[second]
            found = splits_difference(*rows, ratio=ratio)
            pairs.append(of_means(first, second, found, method="splits"))
        return corrected(pairs, margin=margin)

    def sentences(self, margin: float) -> tuple[str, ...]:
        """Say each pair, and what it is about."""
        number, validated = len(self.accuracies[0]), self.sizes[1]
        return tuple(
            f"over {number} splits of the same rows, "
            + sentence(pair, self.contenders, images=[validated])
            for pair in self.pairs(margin)
        )


def train_over_splits(
    stored: StoredRuns,
    selection: Selection,
    splits: int,
    *,
    say: Callable[[str], None],
    check_stop: Callable[[], None],
) -> OverSplits:
    """Train every contender on other splits, one seed each; what is there already is taken.

    Each is a run below the contender's own, with the tag `comparison.split`; the test images are
    left alone: no split has them. say: hears what is done. check_stop may raise Halted.
    Raises ConfigError before any training where one of them cannot be trained so.
    """
    contenders = tuple(replace(c, runs=(c.shown,)) for c in selection.contenders)
    trained_on = {contender.shown.tags["digest.split"] for contender in contenders}
    if len(trained_on) > 1 or len(contenders) < 2:
        raise ConfigError(
            f"`compare.splits`={splits}: needs two configurations that were trained on the same "
            "rows; choose others, or leave it out"
        )
    made = [_plans(stored, contender, splits) for contender in contenders]
    sizes = made[0][1]
    known = {
        (r.tags["config.digest"], r.params["seed"]): r.metrics[VALIDATED]
        for r in stored.finished
        if SPLIT in r.tags and r.tags["digest.data"] == contenders[0].shown.tags["digest.data"]
    }
    rows: list[list[float]] = [[] for _ in contenders]
    done, total = 0, splits * len(contenders)
    try:
        for number in range(splits):
            sources: dict[str, DataSource] = {}  # read once for all that are trained on this split
            for row, contender, (plans, _) in zip(rows, contenders, made, strict=True):
                plan = plans[number]
                say(f"training {done + 1} of {total}: {plan.name}")
                accuracy = known.get((config_digest(plan), str(plan.seed)))
                there = ", was there" if accuracy is not None else ""
                if accuracy is None:
                    result = train(
                        plan,
                        source=sources.setdefault(repr(plan.data), plan.data.build()),
                        store=stored.store,
                        reporter=EpochReporter(),
                        check_stop=check_stop,
                        evaluate_on_test_set=False,
                        parent=contender.shown.id,
                        tags={SPLIT: str(plan.seed)},
                    )
                    assert result.validation is not None
                    accuracy = result.validation.accuracy
                done += 1
                print(f"{done} of {total}: {plan.name}: {accuracy:.4f} right{there}", flush=True)
                row.append(accuracy)
    except Halted:
        print(f"\n{done} of {total} trainings are there; the same command trains the others")
        raise
    return OverSplits(contenders, tuple(map(tuple, rows)), sizes)


def _plans(
    stored: StoredRuns, contender: Contender, splits: int
) -> tuple[list[Plan], tuple[int, int]]:
    """Return the contender's plans for other splits, and how many rows then train and validate."""
    run, problem = contender.shown, f"`compare.splits`={splits}: {contender.label}"
    if VALIDATED not in run.metrics:
        raise ConfigError(f"{problem} was trained on every row; choose a run that validates")
    try:
        source = load_source(stored, run)
    except UserError as error:
        raise ConfigError(f"{problem} cannot be trained again; {error}") from error
    if "split_seed" not in inspect.signature(type(source)).parameters:
        raise ConfigError(
            f"{problem} has a data source without `split_seed`, so that there is but one split; "
            "leave it out"
        )
    with TemporaryDirectory() as draft:
        config = stored.config(run.id, Path(draft))
    choices = config.pop("choices")
    config["tracking"] = stored.store.settings.model_dump(mode="json")
    plans = []
    others = (n for n in count(1) if n != config["data"].get("split_seed", 0))
    for number in islice(others, splits):
        data = {**config["data"], "split_seed": number}
        own = {"data": data, "seed": number, "name": f"{contender.label} split {number}"}
        plans.append(make_plan({**config, **own}, choices=choices))
    dataset = source.load()
    return plans, (len(dataset.train) - dataset.added, len(dataset.validation))
