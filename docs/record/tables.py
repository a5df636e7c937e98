"""The tables of the documents, each a function of the record alone."""

import math
from collections.abc import Callable, Iterable

import pandas as pd

from docs.record.recipes import EXERCISE, GRID_COMMAND, SWEEP, SWEEP_COMMAND
from docs.record.record import RECORD
from src.errors import ConfigError
from src.stats.intervals import t_interval

LONG = ("dnn_20k", "dnn_full")
SHORT = "dnn_20k_short"
EXERCISES_CLIP = 1e-15
"""The exercise takes the log loss of answers 0 and 1, clipped here: scikit-learn's old default."""
PERIODS_SHOWN = (1, 2, 4, 6, 8, 10)
WANTED = 0.95
"""The validation accuracy that the exercise asks for."""


def exercise(record: pd.DataFrame) -> str:
    """Return each recipe beside what was published about it."""
    published = _published().reindex(list(EXERCISE)).fillna("")
    rows: list[list[str]] = [
        [
            f"`{name}`",
            _spread(runs["val_accuracy"]),
            published["validation"][name],
            _spread(runs["test_accuracy"]),
            published["test"][name],
            f"{runs['wall_seconds'].median():.1f}",
        ]
        for name in EXERCISE
        for runs in [_of(record, name)]
    ]
    head = ["recipe", "validation (2,500)", "published", "test (10,000)", "published", "seconds"]
    shown = record[record["configuration"].isin(EXERCISE)]
    return _joined(_markdown(head, rows), _made(shown), _command(GRID_COMMAND))


def linear_loss(record: pd.DataFrame) -> str:
    """Return the linear model's log loss over time, and the exercise's number of that name."""
    runs = _of(record, "exercise_linear")
    curves = {
        key: runs[key].str.split(expand=True).astype(float)
        for key in ("val_accuracies", "val_losses")
    }
    factor = -math.log(EXERCISES_CLIP)
    rows: list[list[str]] = [
        [
            f"{period * 100:,}",
            _spread(curves["val_accuracies"][period - 1]),
            _spread(curves["val_losses"][period - 1]),
            _spread(factor * (1 - curves["val_accuracies"][period - 1]), digits=2),
        ]
        for period in PERIODS_SHOWN
    ]
    return _markdown(
        ["step", "accuracy", "log loss", f"the exercise's: {factor:.2f} × error"], rows
    )


def search(record: pd.DataFrame) -> str:
    """Return what the search of task 2 found, beside the published answer and its recipe."""
    published = {key: str(said) for key, said in _published().loc["published answer"].items()}
    recipe = _of(record, "exercise_dnn")
    sweep = record[record["configuration"] == SWEEP]
    trials, best = sweep[sweep["kind"] == "trial"], _best_trial(record)
    [wall_seconds] = sweep.loc[sweep["kind"] == "sweep", "wall_seconds"]
    rows: list[list[str]] = [
        [
            "the published answer, 13 copies run by others",
            published["validation"],
            "",
            published["reached"],
            published["test"],
        ],
        [
            "`exercise_dnn`, its recipe here",
            *_reached(recipe["val_accuracy"]),
            _spread(recipe["test_accuracy"]),
        ],
        [
            f"found by `sweep={SWEEP}`, trained again on fresh seeds",
            *_reached(sweep.loc[sweep["kind"] == "confirmation", "val_accuracy"]),
            _tested(best),
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
        f"Found: {_words(best['changed'])}, trial {best['number'] + 1} of {len(trials)}; "
        f"{wall_seconds:.0f} seconds with the confirmations. {_made(sweep)}"
    )
    return _joined(_markdown(head, rows), found, _command(SWEEP_COMMAND))


def long(record: pd.DataFrame) -> str:
    """Return what the best recipes reach, with a t interval over seeds, and how long they take."""
    rows = []
    for name in LONG:
        runs = _of(record, name)
        low, high = t_interval(runs["test_accuracy"].to_numpy())
        rows.append(
            [
                f"`{name}`",
                f"{len(runs)}",
                _spread(runs["val_accuracy"]),
                _spread(runs["test_accuracy"]),
                f"{low:.4f} to {high:.4f}",
                f"{runs['wall_seconds'].median():,.0f}",
            ]
        )
    head = ["recipe", "seeds", "validation", "test (10,000)", "95 % interval over seeds", "seconds"]
    shown = record[record["configuration"].isin(LONG) & (record["changed"] == "")]
    commands = "\n".join(f"python -m src.train -m experiment={n} seed=1,2,3" for n in LONG)
    return _joined(_markdown(head, rows), _made(shown), _command(commands))


def ablation(record: pd.DataFrame) -> str:
    """Return what each change of the short recipe costs, on validation images."""
    shown = record[record["configuration"] == SHORT]
    whole = _of(record, SHORT)["val_accuracy"].mean()
    rows: list[list[str]] = [
        [
            _words(str(changed)) if changed else "as it is",
            f"{len(runs)}",
            _spread(runs["val_accuracy"]),
            f"{100 * (runs['val_accuracy'].mean() - whole):+.2f}" if changed else "",
            f"{runs['val_loss'].mean():.4f}",
        ]
        for changed, runs in shown.groupby("changed")
    ]
    head = ["with", "seeds", "validation (5,000)", "points", "log loss"]
    return _joined(_markdown(head, rows), _made(shown))


def summary(record: pd.DataFrame) -> str:
    """Return the short version: one line a model."""
    published = _published()["test"]
    rows: list[list[str]] = [
        [what, f"`experiment={name}`", _spread(_of(record, name)["test_accuracy"]), published[name]]
        for name, what in (
            ("exercise_linear", "linear, 7,500 images"),
            ("exercise_dnn", "dense [100, 100], 7,500 images"),
        )
    ]
    found = _tested(_best_trial(record))
    rows.append(["what a search finds, 7,500 images", f"`sweep={SWEEP}`", found, ""])
    for name, what in zip(LONG, ("20,000 rows", "60,000 rows"), strict=True):
        if ((record["configuration"] == name) & (record["changed"] == "")).any():
            spread = _spread(_of(record, name)["test_accuracy"])
            rows.append([f"as good as it gets, {what}", f"`experiment={name}`", spread, ""])
    return _markdown(["model", "made by", "test accuracy", "published"], rows)


TABLES: dict[str, Callable[[pd.DataFrame], str]] = {
    made.__name__: made for made in (exercise, linear_loss, search, long, ablation, summary)
}


def _of(record: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the unchanged trainings of a recipe; raises ConfigError where there are none."""
    wanted = {"configuration": name, "changed": "", "kind": "training"}
    runs = record[(record[list(wanted)] == pd.Series(wanted)).all(axis="columns")]
    if runs.empty:
        raise ConfigError(
            f"{RECORD.name}: has no runs of experiment={name}; train them into a store and take "
            "them up with: make results RECORD=FOLDER"
        )
    return runs


def _best_trial(record: pd.DataFrame) -> pd.Series:
    trials = record[(record["configuration"] == SWEEP) & (record["kind"] == "trial")]
    return trials.iloc[int(trials["val_accuracy"].to_numpy().argmax())]


def _published() -> pd.DataFrame:
    path = RECORD.with_name("published.csv")
    return pd.read_csv(path, index_col="configuration", keep_default_na=False)


def _tested(run: pd.Series) -> str:
    return f"{run['test_accuracy']:.4f} ({run['test_low']:.4f} to {run['test_high']:.4f})"


def _reached(values: pd.Series) -> list[str]:
    low, high = t_interval(values.to_numpy())
    count = int((values >= WANTED).sum())
    return [_spread(values), f"{low:.4f} to {high:.4f}", f"{count} of {len(values)}"]


def _spread(values: pd.Series, *, digits: int = 4) -> str:
    """Return mean and standard deviation; one value has none."""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _words(changed: str) -> str:
    """Return values as on a command line, numbers to three digits."""
    parts = [part.partition("=") for part in changed.replace(", ", ",").split()]
    return ", ".join(f"`{key}={_short(value)}`" for key, _, value in parts)


def _short(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value


def _made(runs: pd.DataFrame) -> str:
    """Return on what, when and from which commit the runs were made."""
    seeds = sorted(runs.loc[runs["kind"] == "training", "seed"].unique())
    over = f"Seeds {_ranges(seeds)}. " if seeds else ""
    threads = sorted(runs["threads"].unique())
    commits = sorted({*(runs["commit"] + runs["dirty"].map({True: " with changes", False: ""}))})
    days = dict.fromkeys((runs["date"].min(), runs["date"].max()))
    return (
        f"{over}{', '.join(sorted(runs['processor'].unique()))}, "
        f"{' or '.join(map(str, threads))} thread{'s' * (threads != [1])}; "
        f"made {' and '.join(days)} at commit {', '.join(commits)}."
    )


def _ranges(seeds: list[int]) -> str:
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _command(command: str) -> str:
    return f"```bash\n{command}\n```"


def _joined(*parts: str) -> str:
    return "\n\n".join(parts)


def _markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)
