"""Reads a CSV file of labels and pixels into memory, a part at a time, with pandas."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from src.data.csv_rows import UNREADABLE, cleaned, first_fault, is_header, open_text, rows_in
from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# pandas parses to eight bytes a cell: so many cells at once keep that small beside the images.
CELLS_AT_ONCE = 1 << 21


@final
@dataclass(frozen=True)
class Table:
    """labels: the distinct ones. label_of_row: int64 `[N]`, an index into labels.

    pixels: uint8 `[N, P]`.
    """

    path: Path
    labels: tuple[str, ...]
    label_of_row: np.ndarray
    pixels: np.ndarray

    @property
    def num_pixels(self) -> int:
        return self.pixels.shape[1]


class _Fault(ValueError):
    """Some row is not a label and pixels; `first_fault` finds out which."""


def read_table(path: Path) -> Table:
    """Read the file `path`, compressed if its name ends in `.gz`.

    Raises DataError that names the file, the line and the column of the first fault.
    """
    try:
        return _read(path)
    except (ValueError, *UNREADABLE) as error:
        raise DataError(first_fault(path)) from error


def _read(path: Path) -> Table:
    index_of: dict[str, int] = {}
    label_of_row: list[np.ndarray] = []
    pixels = bytearray()
    for part in _parts(path):
        labels = [cleaned(str(label)) for label in part.iloc[:, 0]]
        indices = [index_of.setdefault(label, len(index_of)) for label in labels]
        label_of_row.append(np.array(indices, dtype=np.int64))
        pixels += _as_bytes(part).data
    if "" in index_of or not label_of_row:
        raise _Fault
    rows = np.concatenate(label_of_row)
    table = np.frombuffer(pixels, np.uint8).reshape(len(rows), -1)
    return Table(path=path, labels=tuple(index_of), label_of_row=rows, pixels=table)


def _parts(path: Path) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    with open_text(path) as file:
        first = next(rows_in(file), None)
    if first is None or len(first.cells) < 2:
        raise _Fault
    with open_text(path) as file:
        if is_header(first):
            next(rows_in(file))
        parts = pd.read_csv(
            file,
            header=None,
            dtype={0: str},
            na_filter=False,  # a label may be NA, and a missing pixel shall not become a number
            low_memory=False,
            chunksize=max(1, CELLS_AT_ONCE // len(first.cells)),
        )
        for part in parts:
            if part.shape[1] != len(first.cells):
                raise _Fault
            yield part


def _as_bytes(part: "pd.DataFrame") -> np.ndarray:
    """Return the pixels of `part` as uint8 `[N, P]`, if that loses nothing."""
    values = part.iloc[:, 1:].to_numpy()
    if values.dtype.kind not in "iuf":
        raise _Fault
    with np.errstate(invalid="ignore"):
        pixels = values.astype(np.uint8, order="C")
    if not np.array_equal(pixels, values):
        raise _Fault
    return pixels
