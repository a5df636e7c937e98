"""Which runs meet: configurations, each with the seeds it was trained on, and on which images."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal, TypeVar, final

from src.comparison.settings import MAX_CONTENDERS, ContenderSelection
from src.errors import ConfigError
from src.tracking.queries import SPLIT, VALIDATED, StoredRun, StoredRuns

SWEEP, TRIAL, CONFIRMED = "mlflow.parentRunId", "trial.number", "confirmation.number"
"""Tags of a search's runs, of its trials, and of their trainings on fresh seeds."""
Item = TypeVar("Item")
SplitName = Literal["test", "validation"]


@final
@dataclass(frozen=True)
class Contender:
    """One configuration: its runs, one a seed, the first of which is shown where one must be."""

    label: str
    runs: tuple[StoredRun, ...]

    @property
    def shown(self) -> StoredRun:
        """The run whose pictures stand for all of them: the lowest seed's, not the best."""
        return self.runs[0]


@final
@dataclass(frozen=True)
class Selection:
    """What is compared, on the predictions of which split, and what a reader should know of it.

    others: the data on which others could be compared instead.
    """

    contenders: tuple[Contender, ...]
    split: SplitName
    notes: tuple[str, ...]
    others: tuple[str, ...] = ()

    def images(self, contender: Contender) -> str:
        """Return what identifies the images of the contender's predictions."""
        return contender.shown.tags["digest.test" if self.split == "test" else "digest.split"]


def select(stored: StoredRuns, which: ContenderSelection) -> Selection:
    """Choose the contenders that the configuration asks for.

    Choosing never looks at test results: the best configuration is that with the best mean
    validation accuracy, where a search has confirmed it that of the confirmations. Where every
    contender has a run that has looked at the test images, they are compared on these, because
    nothing was chosen by them; else on the validation images. Raises ConfigError where runs are
    missing, or may not be compared.
    """
    notes: list[str] = []
    others: tuple[str, ...] = ()
    by_model = which.runs is None and which.sweep is None
    if which.runs is not None:
        runs = [stored.find(named, key="compare.runs") for named in which.runs]
        groups = _configurations(list({run.id: run for run in runs}.values()))
    elif which.sweep is not None:
        groups = _best_of_sweep(stored, which.sweep, most=which.best)
    else:
        groups, others = _best_of_each_model(stored, which.data)
    if len(groups) > MAX_CONTENDERS:
        raise ConfigError(
            f"`compare.runs`: has {len(groups)} configurations; at most {MAX_CONTENDERS} can be "
            "told apart in one report"
        )
    _expect_comparable(groups, which)
    split = which.split or _split_of_all(groups, notes, unpaired=which.unpaired)
    if split == "validation":
        _expect_validated(groups)
    kept = [_seeds(group, split, notes) for group in groups]
    return Selection(_labelled(kept, by_model=by_model), split, tuple(dict.fromkeys(notes)), others)


def _best_of_each_model(
    stored: StoredRuns, data: str | None
) -> tuple[list[list[StoredRun]], tuple[str, ...]]:
    """Return the best of each model on the newest split with two, and other data with two.

    data: name of a data source, or the file of one; None for any.
    """
    runs = [
        run
        for run in stored.finished
        if data in (None, run.tags["data"], run.params.get("data.path"))
        and VALIDATED in run.metrics
        and not run.tags.keys() & {"reproduces", SPLIT}
    ]
    splits = _grouped(runs, lambda run: run.tags["digest.split"])
    several = {d: found for d, found in splits.items() if len({r.tags["model"] for r in found}) > 1}
    if not several:
        on = f" on data={data}" if data else ""
        there = sorted({f"{r.tags['model']} on {r.tags['data']}" for r in runs})
        raise ConfigError(
            f"`compare`: needs finished runs of two models on the same data and split{on}; there "
            f"{'are ' + ', '.join(there) if there else 'is none'}; train another, as in "
            "python -m src.train model=linear, or name runs with compare.runs=[A,B]"
        )
    chosen = next(iter(several.values()))  # runs come newest first
    others = {found[0].data for found in several.values()} - {chosen[0].data}
    models = _grouped(chosen, lambda run: run.tags["model"])
    best = [_best_first(_configurations(found))[0] for _, found in sorted(models.items())]
    return best, tuple(sorted(others))


def _best_of_sweep(stored: StoredRuns, sweep: str, *, most: int) -> list[list[StoredRun]]:
    """Return the best configurations of the newest sweep of this name, as far as they are left."""
    below = [r for r in stored.finished if "sweep" in r.tags and VALIDATED in r.metrics]
    found = [r for r in below if r.tags["sweep"] == sweep]
    if not found:
        there = ", ".join(sorted({r.tags["sweep"] for r in below})) or "none"
        raise ConfigError(f"`compare.sweep`={sweep}: there is no such sweep; there is {there}")
    children = [r for r in found if r.tags[SWEEP] == found[0].tags[SWEEP]]
    groups = _best_first(_configurations(children))[:most]
    if len(groups) < 2:
        raise ConfigError(
            f"`compare.sweep`={sweep}: has {len(groups)} finished configurations; two are needed"
        )
    return groups


def _configurations(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """Group runs that differ in nothing but the seed, in the order of their first appearance.

    Runs that never looked at the test images belong to the first that did.
    """

    def key(run: StoredRun) -> tuple[object, ...]:
        return run.tags["digest.split"], run.tags["config.digest"]

    first = {key(run): run.tags["digest.test"] for run in reversed(runs) if run.tested}
    return list(
        _grouped(runs, lambda run: (key(run), _test_images([run]) or first.get(key(run)))).values()
    )


def _best_first(groups: list[list[StoredRun]]) -> list[list[StoredRun]]:
    """Order by mean validation accuracy; those come last that a search has left unconfirmed.

    Theirs is the luckiest of many values; of a confirmed trial that one is not counted.
    """
    confirming = {r.tags[SWEEP] for group in groups for r in group if CONFIRMED in r.tags}

    def key(group: list[StoredRun]) -> tuple[bool, float]:
        judging = _not_chosen_by_luck(group)
        left = all(TRIAL in r.tags and r.tags[SWEEP] in confirming for r in judging)
        return not left, mean(r.metrics[VALIDATED] for r in judging)

    return sorted(groups, key=key, reverse=True)


def _not_chosen_by_luck(group: list[StoredRun]) -> list[StoredRun]:
    """Leave out the trial that a search chose for being the best of many, where it is confirmed."""
    if not any(CONFIRMED in run.tags for run in group):
        return group
    return [run for run in group if TRIAL not in run.tags]


def _expect_comparable(groups: list[list[StoredRun]], which: ContenderSelection) -> None:
    _expect_one(groups, lambda group: group[0].tags["digest.split"], "trained on", "splits", which)
    if which.split != "test":
        return
    if lacking := _never_tested(groups):
        raise ConfigError(
            f"`compare.split`=test: {lacking} never looked at the test images; compare on "
            "validation, or promote=RUN, which looks"
        )
    _expect_one(groups, _test_images, "scored on", "test images", which)


def _expect_one(
    groups: list[list[StoredRun]],
    images: Callable[[list[StoredRun]], str | None],
    did: str,
    what: str,
    which: ContenderSelection,
) -> None:
    found = _grouped(groups, images)
    if len(found) > 1 and not which.unpaired:
        parts = "; ".join(
            f"{', '.join(f'{g[0].name}, {g[0].id[:8]}' for g in some)}: {str(digest)[:12]}"
            for digest, some in found.items()
        )
        raise ConfigError(
            f"`compare.runs`: were {did} different {what} ({parts}), so that a difference may come "
            "from their data and not from the models; choose runs on the same, or say "
            "compare.unpaired=true"
        )


def _split_of_all(groups: list[list[StoredRun]], notes: list[str], *, unpaired: bool) -> SplitName:
    lacking = _never_tested(groups)
    if not lacking and (unpaired or len(set(map(_test_images, groups))) == 1):
        return "test"
    unfit = f"{lacking} never looked at the" if lacking else "they looked at different"
    notes.append(
        f"Compared on the validation images, because {unfit} test images. The runs were chosen by "
        "these images: their accuracies are optimistic."
    )
    return "validation"


def _expect_validated(groups: list[list[StoredRun]]) -> None:
    lacking = ", ".join(g[0].name for g in groups if any(VALIDATED not in r.metrics for r in g))
    if lacking:
        raise ConfigError(
            f"`compare.runs`: {lacking} was trained on every row and has no validation images to "
            "be compared on; choose runs that kept some, or that all looked at the test images"
        )


def _never_tested(groups: list[list[StoredRun]]) -> str:
    """Return the names of configurations of which no run has looked at the test images."""
    return ", ".join(group[0].name for group in groups if _test_images(group) is None)


def _test_images(group: Iterable[StoredRun]) -> str | None:
    """Return the digest of the test images that the first of the runs that looked has seen."""
    return next((run.tags["digest.test"] for run in group if run.tested), None)


def _seeds(group: list[StoredRun], split: SplitName, notes: list[str]) -> list[StoredRun]:
    """Return one run a seed, of those that may speak for their configuration.

    The trial that a sweep chose for being the best of many does not, on the images it was chosen
    by, where confirmations on fresh seeds do.
    """
    if split == "test":
        speaking = [run for run in group if run.tested]
        if len(speaking) < len(group):
            notes.append(
                f"Of {group[0].name} only runs that have looked at the test images are compared: "
                f"{len(speaking)} of {len(group)}."
            )
    else:
        speaking = _not_chosen_by_luck(group)
        if len(speaking) < len(group):
            notes.append(
                "A sweep's best trial is judged by its confirmations on fresh seeds, not by the "
                "value it was chosen for."
            )
    newest_last = sorted(speaking, key=lambda run: run.started)
    by_seed = {run.params["seed"]: run for run in newest_last}
    for run in speaking:
        if run is not (newer := by_seed[run.params["seed"]]):
            notes.append(
                f"{run.name} ({run.id[:8]}) is left out: {newer.name} ({newer.id[:8]}) is a newer "
                "training of the same configuration and seed."
            )
    return sorted(by_seed.values(), key=lambda run: int(run.params["seed"]))


def _labelled(groups: list[list[StoredRun]], *, by_model: bool) -> tuple[Contender, ...]:
    """Give every group a short name of its own."""
    plain = [g[0].tags["model"] if by_model else _short(g[0].name, g) for g in groups]
    made = []
    for group, label in zip(groups, plain, strict=True):
        unique = label if plain.count(label) == 1 else f"{label} ({group[0].id[:6]})"
        made.append(Contender(unique, tuple(group)))
    return tuple(made)


def _short(run_name: str, group: list[StoredRun]) -> str:
    """Return the run's name, without what belongs to one seed alone where there are several."""
    if len(group) == 1:
        return run_name
    words = group[0].tags.get("configuration")
    if words is not None and not run_name.startswith("#"):
        return words
    return run_name.partition(" seed ")[0].removesuffix(f" seed={group[0].params['seed']}")


def _grouped(items: Iterable[Item], key: Callable[[Item], object]) -> Mapping[Any, list[Item]]:
    groups: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
