"""The tables of the documents, each a function of the record alone."""

import csv
import math
from collections.abc import Callable, Sequence
from statistics import mean, median, stdev

from src.errors import ConfigError
from src.results.recipes import EXERCISE, GRID_COMMAND, SWEEP, SWEEP_COMMAND
from src.results.record import RECORD, Line
from src.statistics import t_interval

LONG = ("dnn_20k", "dnn_full")
SHORT = "dnn_20k_short"
EXERCISES_CLIP = 1e-15
"""The exercise takes the log loss of answers 0 and 1, clipped here: scikit-learn's old default."""
PERIODS_SHOWN = (1, 2, 4, 6, 8, 10)
WANTED = 0.95
"""The validation accuracy that the exercise asks for."""

Record = Sequence[Line]


def exercise(record: Record) -> str:
    """Return each recipe beside what was published about it."""
    published = _published()
    rows = []
    for name in EXERCISE:
        lines = _of(record, name)
        said = published.get(name, {})
        rows.append(
            [
                f"`{name}`",
                _spread([line.val_accuracy for line in lines]),
                said.get("validation", ""),
                _spread([line.test_accuracy for line in lines]),
                said.get("test", ""),
                f"{median(line.wall_seconds for line in lines):.1f}",
            ]
        )
    head = ["recipe", "validation (2,500)", "published", "test (10,000)", "published", "seconds"]
    shown = [line for line in record if line.configuration in EXERCISE]
    return "\n\n".join([_markdown(head, rows), _made(shown), _command(GRID_COMMAND)])


def linear_loss(record: Record) -> str:
    """Return the linear model's log loss over time, and the exercise's number of that name."""
    lines = _of(record, "exercise_linear")
    factor = -math.log(EXERCISES_CLIP)
    rows = []
    for period in PERIODS_SHOWN:
        accuracies = [line.val_accuracies[period - 1] for line in lines]
        losses = [line.val_losses[period - 1] for line in lines]
        theirs = [factor * (1 - accuracy) for accuracy in accuracies]
        step = period * 100
        rows.append([f"{step:,}", _spread(accuracies), _spread(losses), _spread(theirs, digits=2)])
    head = ["step", "accuracy", "log loss", f"the exercise's: {factor:.2f} × error"]
    return _markdown(head, rows)


def search(record: Record) -> str:
    """Return what the search of task 2 found, beside the published answer and its recipe."""
    published = _published()["published answer"]
    recipe = _of(record, "exercise_dnn")
    sweep = [line for line in record if line.configuration == SWEEP]
    fresh = [line for line in sweep if line.kind == "confirmation"]
    trials = [line for line in sweep if line.kind == "trial"]
    [parent] = [line for line in sweep if line.kind == "sweep"]
    best = max(trials, key=lambda line: line.val_accuracy)
    rows = [
        [
            "the published answer, 13 copies run by others",
            published["validation"],
            "",
            published["reached"],
            published["test"],
        ],
        ["`exercise_dnn`, its recipe here", *_reached(recipe), _spread(_tests(recipe))],
        [
            f"found by `sweep={SWEEP}`, trained again on fresh seeds",
            *_reached(fresh),
            f"{best.test_accuracy:.4f} ({best.test_low:.4f} to {best.test_high:.4f})",
        ],
    ]
    head = [
        "network",
        "validation (2,500)",
        "95 % interval of the mean",
        f"{WANTED} or better",
        "test (10,000)",
    ]
    found = (
        f"Found: {_words(best.changed)}, trial {best.number + 1} of {len(trials)}; "
        f"{parent.wall_seconds:.0f} seconds with the confirmations. {_made(sweep)}"
    )
    return "\n\n".join([_markdown(head, rows), found, _command(SWEEP_COMMAND)])


def long(record: Record) -> str:
    """Return what the best recipes reach, with a t interval over seeds, and how long they take."""
    rows = []
    for name in LONG:
        lines = _of(record, name)
        low, high = t_interval(_tests(lines))
        rows.append(
            [
                f"`{name}`",
                f"{len(lines)}",
                _spread([line.val_accuracy for line in lines]),
                _spread(_tests(lines)),
                f"{low:.4f} to {high:.4f}",
                f"{median(line.wall_seconds for line in lines):,.0f}",
            ]
        )
    head = ["recipe", "seeds", "validation", "test (10,000)", "95 % interval over seeds", "seconds"]
    shown = [line for line in record if line.configuration in LONG and not line.changed]
    commands = "\n".join(f"python -m src.train -m experiment={n} seed=1,2,3" for n in LONG)
    return "\n\n".join([_markdown(head, rows), _made(shown), _command(commands)])


def ablation(record: Record) -> str:
    """Return what each change of the short recipe costs, on validation images."""
    whole = mean(line.val_accuracy for line in _of(record, SHORT))
    rows = []
    for changed in sorted({line.changed for line in record if line.configuration == SHORT}):
        lines = _of(record, SHORT, changed=changed)
        values = [line.val_accuracy for line in lines]
        gap = f"{100 * (mean(values) - whole):+.2f}" if changed else ""
        loss = f"{mean(line.val_loss for line in lines):.4f}"
        rows.append(
            [
                _words(changed) if changed else "as it is",
                f"{len(lines)}",
                _spread(values),
                gap,
                loss,
            ]
        )
    head = ["with", "seeds", "validation (5,000)", "points", "log loss"]
    shown = [line for line in record if line.configuration == SHORT]
    return "\n\n".join([_markdown(head, rows), _made(shown)])


def summary(record: Record) -> str:
    """Return the short version: one line a model."""
    published = _published()
    rows = []
    for name, what in (
        ("exercise_linear", "linear, 7,500 images"),
        ("exercise_dnn", "dense [100, 100], 7,500 images"),
    ):
        lines, said = _of(record, name), published[name]["test"]
        rows.append([what, f"`experiment={name}`", _spread(_tests(lines)), said])
    best = max(
        (line for line in record if line.configuration == SWEEP and line.kind == "trial"),
        key=lambda line: line.val_accuracy,
    )
    found = f"{best.test_accuracy:.4f} ({best.test_low:.4f} to {best.test_high:.4f})"
    rows.append(["what a search finds, 7,500 images", f"`sweep={SWEEP}`", found, ""])
    for name, what in zip(LONG, ("20,000 rows", "60,000 rows"), strict=True):
        if any(line.configuration == name and not line.changed for line in record):
            spread = _spread(_tests(_of(record, name)))
            rows.append([f"as good as it gets, {what}", f"`experiment={name}`", spread, ""])
    return _markdown(["model", "made by", "test accuracy", "published"], rows)


TABLES: dict[str, Callable[[Record], str]] = {
    made.__name__: made for made in (exercise, linear_loss, search, long, ablation, summary)
}


def _of(record: Record, name: str, *, changed: str = "") -> list[Line]:
    """Return the trainings of a recipe; raises ConfigError where the record has none."""
    lines = [
        line
        for line in record
        if (line.configuration, line.changed, line.kind) == (name, changed, "training")
    ]
    if not lines:
        raise ConfigError(
            f"{RECORD.name}: has no runs of experiment={name}; train them into a store and take "
            "them up with: make results RECORD=FOLDER"
        )
    return lines


def _published() -> dict[str, dict[str, str]]:
    with (RECORD.parent / "published.csv").open(encoding="utf-8", newline="") as file:
        return {row["configuration"]: row for row in csv.DictReader(file)}


def _tests(lines: Record) -> list[float]:
    return [line.test_accuracy for line in lines]


def _reached(lines: Record) -> list[str]:
    values = [line.val_accuracy for line in lines]
    low, high = t_interval(values)
    count = sum(value >= WANTED for value in values)
    return [_spread(values), f"{low:.4f} to {high:.4f}", f"{count} of {len(values)}"]


def _spread(values: Sequence[float], *, digits: int = 4) -> str:
    """Return mean and standard deviation; one value has none."""
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def _words(changed: str) -> str:
    """Return values as on a command line, numbers to three digits."""
    parts = [part.partition("=") for part in changed.replace(", ", ",").split()]
    return ", ".join(f"`{key}={_short(value)}`" for key, _, value in parts)


def _short(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value


def _made(lines: Record) -> str:
    """Return on what, when and from which commit the runs were made."""
    seeds = sorted({line.seed for line in lines if line.kind == "training"})
    over = f"Seeds {_ranges(seeds)}. " if seeds else ""
    threads = sorted({line.threads for line in lines})
    on = sorted({line.processor for line in lines})
    days = sorted({line.date for line in lines})
    commits = sorted({line.commit + " with changes" * line.dirty for line in lines})
    return (
        f"{over}{', '.join(on)}, {' or '.join(map(str, threads))} "
        f"thread{'s' * (threads != [1])}; made {' and '.join(dict.fromkeys((days[0], days[-1])))} "
        f"at commit {', '.join(commits)}."
    )


def _ranges(seeds: list[int]) -> str:
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _command(command: str) -> str:
    return f"```bash\n{command}\n```"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)
