"""Labels as text turned into classes: which there are, in what order, and each row's index."""

import re
from dataclasses import dataclass
from typing import final

import numpy as np

from src.data.csv_rows import rows_of
from src.data.csv_table import Table
from src.errors import DataError

WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,18})(\.0*)?")


@final
@dataclass(frozen=True)
class Classes:
    """The classes of a table: `names` in the order of their indices.

    Where every label is a whole number ("7", "07" and "7.0" are the same) the order is numeric,
    otherwise that of the text.
    """

    names: tuple[str, ...]
    numeric: bool

    @classmethod
    def of(cls, table: Table) -> "Classes":
        """Find the classes among the labels of `table`."""
        if all(WHOLE_NUMBER.fullmatch(label) for label in table.labels):
            numbers = sorted({int(_whole_number(label)) for label in table.labels})
            return cls(tuple(map(str, numbers)), numeric=True)
        return cls(tuple(sorted(table.labels)), numeric=False)

    def indices(self, table: Table) -> np.ndarray:
        """Return the class of each row of `table`, int64 `[N]`.

        Raises DataError at the first label that is none of the classes.
        """
        index_of = {name: index for index, name in enumerate(self.names)}
        unknown = {label for label in table.labels if self._name(label) not in index_of}
        if unknown:
            raise self._unknown(table, unknown)
        index_of_label = np.array([index_of[self._name(label)] for label in table.labels])
        return index_of_label.astype(np.int64)[table.label_of_row]

    def _name(self, label: str) -> str:
        return _whole_number(label) if self.numeric else label

    def _unknown(self, table: Table, unknown: set[str]) -> DataError:
        label = next(label for label in table.labels if label in unknown)
        rows = rows_of(table.path)
        line = next((f", line {row.line}" for row in rows if row.label == label), "")
        shown = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        return DataError(
            f"{table.path}{line}, column 0: the label {label!r} is not among those of the "
            f"training images ({shown}); cure: correct or remove the row"
        )


def _whole_number(label: str) -> str:
    match = WHOLE_NUMBER.fullmatch(label)
    return str(int(match[1])) if match else label
