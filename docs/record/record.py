"""The record: one row for each run that the documents tell of, kept beside them.

configuration: an option of conf/experiment/, or a sweep's name. changed: how the run differs from
that, as on a command line; of a trial and a confirmation, the values searched. kind: training,
trial, confirmation or sweep. number: of the trial or confirmation within its sweep, else the seed.
Accuracies are in 0..1, losses in nats per image, NaN where there is none. seconds: in epochs,
validation included; wall_seconds: from loaded data to the last file. threads: PyTorch's.
val_accuracies, val_losses: epoch by epoch, with blanks between.
"""

from pathlib import Path

import pandas as pd

RECORD = Path(__file__).resolve().with_name("runs.csv")

COLUMNS = {
    "configuration": str,
    "changed": str,
    "kind": str,
    "number": int,
    "seed": int,
    "val_accuracy": float,
    "val_loss": float,
    "test_accuracy": float,
    "test_low": float,
    "test_high": float,
    "test_loss": float,
    "seconds": float,
    "wall_seconds": float,
    "threads": int,
    "processor": str,
    "date": str,
    "commit": str,
    "dirty": bool,
    "run_id": str,
    "val_accuracies": str,
    "val_losses": str,
}


def read_record(path: Path) -> pd.DataFrame:
    """Return the rows of a record; none where there is no such file."""
    if not path.exists():
        return as_record([])
    texts = {name: str for name, kind in COLUMNS.items() if kind is not float}
    table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values={"": []})
    table["dirty"] = table["dirty"] == "True"
    return table.astype(COLUMNS)


def as_record(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Return rows, each with a value for every column, as a record."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def write_record(path: Path, record: pd.DataFrame) -> None:
    """Write the rows in their order; what is there is replaced whole."""
    own = record.assign(own_change=record["changed"].where(record["kind"] == "training", ""))
    ordered = own.sort_values(["configuration", "own_change", "kind", "number"], kind="stable")
    draft = path.with_suffix(".draft")
    ordered[list(COLUMNS)].to_csv(
        draft, index=False, float_format="%.6g", na_rep="nan", lineterminator="\n"
    )
    draft.replace(path)


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return both, the new rows in place of old ones about the same training or whole sweep."""
    return pd.concat([old[~groups(old).isin(groups(new))], new], ignore_index=True)


def groups(record: pd.DataFrame) -> pd.Series:
    """Return for each row what a newer measurement of the same replaces."""
    training = record["configuration"] + "|" + record["changed"] + "|" + record["seed"].astype(str)
    return training.where(record["kind"] == "training", record["configuration"])
