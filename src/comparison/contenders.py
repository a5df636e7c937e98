"""Which runs meet: configurations, each with the seeds it was trained on, and on which images."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal, final

from src.comparison.settings import MOST_CONTENDERS, Which
from src.errors import ConfigError
from src.settings import NO_OTHER_CONFIGURATION
from src.tracking.reading import StoredRun, StoredRuns

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
    """What is compared, on the predictions of which split, and what a reader should know of it."""

    contenders: tuple[Contender, ...]
    split: SplitName
    notes: tuple[str, ...]

    def images(self, contender: Contender) -> str:
        """Return what identifies the images of the contender's predictions."""
        digest = f"digest.{'test' if self.split == 'test' else 'split'}"
        return contender.shown.tags[digest]


def select(stored: StoredRuns, which: Which) -> Selection:
    """Choose the contenders that the configuration asks for.

    Choosing never looks at test results: the best configuration is that with the best mean
    validation accuracy. Where every contender has a run that has looked at the test images, they
    are compared on these, because nothing was chosen by them; else on the validation images.
    Raises ConfigError where runs are missing, or may not be compared.
    """
    notes: list[str] = []
    if which.runs is not None:
        runs = [stored.find(named, key="compare.runs") for named in which.runs]
        groups = _configurations(list({run.id: run for run in runs}.values()))
        name = None
    elif which.sweep is not None:
        groups = _best_of_sweep(stored, which.sweep, most=which.best)
        name = None
    else:
        groups = _best_of_each_model(stored, which.data, notes)
        name = _model
    if len(groups) > MOST_CONTENDERS:
        raise ConfigError(
            f"`compare.runs`: has {len(groups)} configurations; at most {MOST_CONTENDERS} can be "
            "told apart in one report"
        )
    _expect_one_split(groups, which)
    split = which.split or _split_of_all(groups, notes)
    kept = [_seeds(group, split, notes) for group in groups]
    return Selection(_labelled(kept, name), split, tuple(dict.fromkeys(notes)))


def only(runs: Iterable[StoredRun]) -> Selection:
    """Let single runs meet on the test images, each for itself, seeds of one configuration too."""
    return Selection(_labelled([[run] for run in runs], None), "test", ())


def _model(run: StoredRun) -> str:
    return run.tags["model"]


def _best_of_each_model(
    stored: StoredRuns, data: str | None, notes: list[str]
) -> list[list[StoredRun]]:
    runs = [
        r for r in stored.finished if data in (None, r.tags["data"]) and "reproduces" not in r.tags
    ]
    splits = _grouped(runs, lambda run: run.tags["digest.split"])
    several = {d: found for d, found in splits.items() if len({_model(r) for r in found}) > 1}
    if not several:
        on = f" on data={data}" if data else ""
        there = sorted({f"{_model(r)} on {r.tags['data']}" for r in runs})
        raise ConfigError(
            f"`compare`: needs finished runs of two models on the same data and split{on}; there "
            f"{'are ' + ', '.join(there) if there else 'is none'}; train another, as in "
            "python -m src.train model=linear, or name runs with compare.runs=[A,B]"
        )
    chosen = next(iter(several.values()))  # runs come newest first
    others = sorted({found[0].tags["data"] for d, found in several.items() if found != chosen})
    if others:
        notes.append(
            f"The newest split with two models is compared; others are on {', '.join(others)} "
            "(compare.data=NAME)."
        )
    models = _grouped(chosen, _model)
    return [_best(_configurations(found)) for _, found in sorted(models.items())]


def _best_of_sweep(stored: StoredRuns, sweep: str, *, most: int) -> list[list[StoredRun]]:
    parents = [r for r in stored.all if r.tags.get("mlflow.source.name") == "src.sweep"]
    found = [r for r in parents if r.name == sweep]
    if not found:
        there = ", ".join(sorted({r.name for r in parents})) or "none"
        raise ConfigError(f"`compare.sweep`={sweep}: there is no such sweep; there is {there}")
    children = [r for r in stored.finished if r.tags.get("mlflow.parentRunId") == found[0].id]
    groups = sorted(_configurations(children), key=_accuracy, reverse=True)[:most]
    if len(groups) < 2:
        raise ConfigError(
            f"`compare.sweep`={sweep}: has {len(groups)} finished configurations; two are needed"
        )
    return groups


def _configurations(runs: Iterable[StoredRun]) -> list[list[StoredRun]]:
    """Group runs that differ in nothing but the seed, in the order of their first appearance."""

    def key(run: StoredRun) -> tuple[object, ...]:
        lasting = {
            k: v for k, v in run.params.items() if k != "seed" and k not in NO_OTHER_CONFIGURATION
        }
        return run.tags["digest.split"], *sorted(lasting.items())

    return list(_grouped(runs, key).values())


def _best(groups: Iterable[list[StoredRun]]) -> list[StoredRun]:
    return max(groups, key=_accuracy)


def _accuracy(group: list[StoredRun]) -> float:
    return mean(run.metrics["best/val_accuracy"] for run in group)


def _expect_one_split(groups: list[list[StoredRun]], which: Which) -> None:
    splits = _grouped([group[0] for group in groups], lambda run: run.tags["digest.split"])
    if len(splits) > 1 and not which.unpaired:
        parts = "; ".join(
            f"{', '.join(r.name for r in runs)}: {digest[:12]}" for digest, runs in splits.items()
        )
        raise ConfigError(
            f"`compare.runs`: were trained on different splits ({parts}), so that a difference "
            "may come from their data and not from the models; choose runs on one split, or say "
            "compare.unpaired=true"
        )
    lacking = _never_tested(groups)
    if which.split == "test" and lacking:
        raise ConfigError(
            f"`compare.split`=test: {', '.join(lacking)} never looked at the test images; compare "
            "on validation, or promote=RUN, which looks"
        )


def _split_of_all(groups: list[list[StoredRun]], notes: list[str]) -> SplitName:
    lacking = _never_tested(groups)
    if not lacking:
        return "test"
    notes.append(
        f"Compared on the validation images, because {', '.join(lacking)} never looked at the "
        "test images. The runs were chosen by these images: their accuracies are optimistic."
    )
    return "validation"


def _never_tested(groups: list[list[StoredRun]]) -> list[str]:
    """Return the names of configurations of which no run has looked at the test images."""
    return [group[0].name for group in groups if not any(run.tested for run in group)]


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
    elif any("confirmation.number" in run.tags for run in group):
        speaking = [run for run in group if "trial.number" not in run.tags]
        notes.append(
            "A sweep's best trial is judged by its confirmations on fresh seeds, not by the value "
            "it was chosen for."
        )
    else:
        speaking = group
    newest_last = sorted(speaking, key=lambda run: run.started)
    by_seed = {run.params["seed"]: run for run in newest_last}
    return sorted(by_seed.values(), key=lambda run: int(run.params["seed"]))


def _labelled(
    groups: list[list[StoredRun]], name: Callable[[StoredRun], str] | None
) -> tuple[Contender, ...]:
    """Give every group a short name of its own."""
    plain = [name(group[0]) if name else _short(group[0].name, group) for group in groups]
    made = []
    for group, label in zip(groups, plain, strict=True):
        unique = label if plain.count(label) == 1 else f"{label} ({group[0].id[:6]})"
        made.append(Contender(unique, tuple(group)))
    return tuple(made)


def _short(run_name: str, group: list[StoredRun]) -> str:
    """Return the run's name, without what belongs to one seed alone where there are several."""
    if len(group) == 1:
        return run_name
    return run_name.split(" again ")[0].removesuffix(f" seed={group[0].params['seed']}")


def _grouped(
    runs: Iterable[StoredRun], key: Callable[[StoredRun], object]
) -> Mapping[Any, list[StoredRun]]:
    groups: dict[Any, list[StoredRun]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups
