"""The record: one line for each run that the documents tell of, kept beside them."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, final

RECORD = Path(__file__).resolve().parents[2] / "docs" / "record" / "runs.csv"

Kind = Literal["training", "trial", "confirmation", "sweep"]


@final
@dataclass(frozen=True)
class Line:
    """One run.

    configuration: an option of conf/experiment/, or a sweep's name. changed: how the run differs
    from that, as on a command line; of a trial and a confirmation, the values searched. number: of
    the trial or confirmation within its sweep, else the seed. Accuracies are in 0..1, losses in
    nats per image, nan where there is none. val_accuracies, val_losses: epoch by epoch. seconds:
    in epochs, validation included; wall_seconds: from loaded data to the last file. cores: those
    that PyTorch could use.
    """

    configuration: str
    changed: str
    kind: Kind
    number: int
    seed: int
    val_accuracy: float
    val_loss: float
    test_accuracy: float
    test_low: float
    test_high: float
    test_loss: float
    seconds: float
    wall_seconds: float
    threads: int
    processor: str
    date: str
    commit: str
    dirty: bool
    run_id: str
    val_accuracies: tuple[float, ...]
    val_losses: tuple[float, ...]

    @property
    def group(self) -> tuple[object, ...]:
        """What a newer measurement of the same replaces: one training, or a whole sweep."""
        if self.kind == "training":
            return self.configuration, self.changed, self.seed
        return (self.configuration,)

    @property
    def order(self) -> tuple[object, ...]:
        """Where the line stands in the record."""
        return (
            self.configuration,
            self.changed if self.kind == "training" else "",
            self.kind,
            (self.number),
        )


def read_record(path: Path) -> list[Line]:
    """Return the lines of a record; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_line(row) for row in csv.DictReader(file)]


def write_record(path: Path, lines: Iterable[Line]) -> None:
    """Write the lines in their order; what is there is replaced whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Line)], lineterminator="\n")
        writer.writeheader()
        for line in sorted(lines, key=lambda line: line.order):
            writer.writerow({key: _text(value) for key, value in asdict(line).items()})
    draft.replace(path)


def merged(old: Iterable[Line], new: Iterable[Line]) -> list[Line]:
    """Return both, the new lines in place of old ones about the same training or sweep."""
    new = list(new)
    replaced = {line.group for line in new}
    return [*(line for line in old if line.group not in replaced), *new]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_text(each) for each in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _line(row: dict[str, str]) -> Line:
    numbers = ("val_accuracies", "val_losses")
    values: dict[str, Any] = dict(row)
    for field in fields(Line):
        text = row[field.name]
        if field.name in numbers:
            values[field.name] = tuple(float(part) for part in text.split())
        elif field.type is float:
            values[field.name] = float(text)
        elif field.type is int:
            values[field.name] = int(text)
        elif field.type is bool:
            values[field.name] = text == "True"
    return Line(**values)
