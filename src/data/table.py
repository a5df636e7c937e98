"""Reads a table of images with pandas, and finds out what its values are."""

import csv
import gzip
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from src.data.columns import NUMBER, Columns, find_columns, is_header
from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# pandas parses to eight bytes a cell: so many cells at once keep that small beside the images.
CELLS_AT_ONCE = 1 << 21
ROWS_LOOKED_AT = 200
ROWS_SPLIT = 20
"""Of which it is tried what separates their cells."""
BLANKS = r"\s+"
SEPARATORS = (";", "\t", "|", ",", BLANKS)
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip"}
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 16.0), (0.0, 255.0))
FAR_BELOW = 0.1
"""Of a told range's end; values that end below it are of another range."""
RULE = "it must be a number, 0..255"


@final
@dataclass(frozen=True)
class Table:
    """Labels and pixels as they stand in a file.

    labels: text `[N]`, without blanks and byte order marks around it; None where there are none.
    values: `[N, P]`, uint8 where all are whole and 0..255, else float32. index: text `[N]` of the
    index column; None where there is none.
    """

    path: Path
    columns: Columns
    labels: "pd.Series[str] | None"
    values: np.ndarray
    index: "pd.Series[str] | None" = None

    def scaled(self, low: float, high: float) -> np.ndarray:
        """Return the values from `low` to `high` as uint8 `[N, P]`, 0..255.

        Raises DataError at the first that is out of the range by more than half a grey value.
        """
        if (low, high, self.values.dtype) == (0, 255, np.uint8):
            return self.values
        if not self._within(low, high):
            half = (high - low) / 510
            row, column = np.argwhere((self.values < low - half) | (self.values > high + half))[0]
            value = self.values[row, column]
            fix = "correct it, or data.max_value= says what the largest value may be"
            if value < low or low < 0:
                fix = "bring the values to 0..1, -1..1, 0..16 or 0..255 first"
            raise DataError(
                f"{self.path}, row {row + 1}, column {self.columns.pixels[column]}: the pixel "
                f"{value:g} is out of range; it must be within {low:g}..{high:g}; fix: {fix}"
            )
        share = (self.values.astype(np.float32) - low) / (high - low)
        return np.rint(share * 255).clip(0, 255).astype(np.uint8)

    def range(
        self, max_value: float | None = None, *, usual: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Return the range of the values: 0..1, -1..1, 0..16, or else 0..255.

        It is the one that most images fill, so that one odd value makes no other. max_value: the
        largest value there may be, where that is told. usual: the range of the training images,
        which is taken unless the values do not fit into it, or end far below it.
        """
        if max_value is not None:
            return 0.0, max_value
        lowest, highest = self.values.min(axis=1), self.values.max(axis=1)
        drawn = lowest < highest if (lowest < highest).any() else slice(None)
        low, high = float(np.median(lowest[drawn])), float(np.median(highest[drawn]))
        fitting = (r for r in RANGES if _fits(low, high, *r))
        own = next(fitting, RANGES[-1])
        if usual is None or not self._within(*usual):
            return own
        is_other = own[1] <= FAR_BELOW * usual[1] or usual[0] < 0 <= own[0]
        return own if is_other and self._within(*own) else usual

    def _within(self, low: float, high: float) -> bool:
        return _fits(float(self.values.min()), float(self.values.max()), low, high)


def _fits(lowest: float, highest: float, low: float, high: float) -> bool:
    half = (high - low) / 510  # what is nearer to an end of the range than a grey value is the end
    return low - half <= lowest and highest <= high + half


def read_table(
    path: Path,
    *,
    label: str | int | None = None,
    pixels: int | None = None,
    usual: tuple[str | None, int | None] = (None, None),
) -> Table:
    """Read separated text in UTF-8, packed by gzip or zip, or parquet, whatever its name.

    label: name or number of the column with the labels; None finds it. pixels: how many columns
    make an image; None: any square number. usual: the labels' name in the table that was trained
    on, and their place from the end, for a table in which they may be. Raises DataError that names
    the file and, of the first bad cell, the row below the header, from 1, and the column, from 0.
    """
    import pandas as pd

    how: dict[str, Any] = {"label": label, "pixels": pixels, "usual": usual}
    with _readable(path):
        with path.open("rb") as file:
            begins = file.read(4)
        if begins == b"PAR1":
            whole = pd.read_parquet(path)
            top = pd.DataFrame([whole.columns.astype(str), *whole.head(ROWS_LOOKED_AT).values])
            columns = find_columns(path, top.fillna("").astype(str), header=True, **how)
            return _table(path, columns, [whole.reset_index(drop=True)])
        packed = (kind for start, kind in PACKED.items() if begins.startswith(start))
        kept: dict[str, Any] = {"na_filter": False, "compression": next(packed, None)}
        top = _top(path, kept)
        has_header = is_header(top)
        columns = find_columns(path, top, header=has_header, **how)
        named = [k for k in (columns.label, columns.index) if k is not None]
        with pd.read_csv(
            path,
            header=0 if has_header else None,
            index_col=False,
            dtype={top.iat[0, k] if has_header else k: str for k in named},
            low_memory=False,
            chunksize=1 + CELLS_AT_ONCE // top.shape[1],
            **kept,
        ) as parts:
            return _table(path, columns, parts, decimal=kept.get("decimal", "."))


def _top(path: Path, kept: dict[str, Any]) -> "pd.DataFrame":
    """Return the first rows as text, and keep what separates their cells and decimals."""
    import pandas as pd

    told = {"header": None, "dtype": str, **kept}
    lines = pd.read_csv(path, sep="\x1f", quoting=csv.QUOTE_NONE, nrows=ROWS_SPLIT, **told)[0]

    def numbers_and_cells(separator: str) -> tuple[int, int]:
        pattern = separator if separator == BLANKS else re.escape(separator)
        cells = [cell.strip('"') for line in lines for cell in re.split(pattern, line.strip())]
        return sum(NUMBER.fullmatch(cell) is not None for cell in cells), len(cells)

    kept["sep"] = max(SEPARATORS, key=numbers_and_cells)
    top = pd.read_csv(path, nrows=ROWS_LOOKED_AT, **told, sep=kept["sep"])
    comma = re.compile(r"\s*[+-]?[0-9]*,[0-9]+\s*")
    if kept["sep"] != "," and any(map(comma.fullmatch, top.tail(5).to_numpy().ravel())):
        kept["decimal"] = ","
    return top


def _table(
    path: Path, columns: Columns, parts: "Iterable[pd.DataFrame]", *, decimal: str = "."
) -> Table:
    import pandas as pd

    labels, values, index = [], [], []
    for part in parts:
        cells = part.set_axis(range(part.shape[1]), axis="columns")
        named = pd.Series("-", cells.index)
        if columns.label is not None:
            column = cells[columns.label]
            text = column.astype(str).str.strip().str.strip("\ufeff").str.strip()
            named = text.mask(column.isna(), "")
        labels.append(named)
        if columns.index is not None:
            index.append(cells[columns.index].astype(str))
        values.append(_numbers(path, cells, columns, named, decimal))
    if not values or not len(values[0]):
        raise DataError(f"{path}: a header and no rows; it needs rows of pixels")
    return Table(
        path,
        columns,
        labels=None if columns.label is None else pd.concat(labels),
        values=np.concatenate(values),
        index=pd.concat(index) if index else None,
    )


def _numbers(
    path: Path, cells: "pd.DataFrame", columns: Columns, labels: "pd.Series[str]", decimal: str
) -> np.ndarray:
    """Return the pixels of some rows; raises DataError at the first cell that is no number."""
    import pandas as pd

    pixels = cells[list(columns.pixels)]
    values = pixels.to_numpy()
    if values.dtype.kind not in "iuf":  # text among them, or True, which is no number
        text = pixels.astype(str).apply(lambda cell: cell.str.replace(decimal, ".", regex=False))
        values = text.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    is_bad = ~np.isfinite(values)
    if is_bad.any() or not labels.all():
        row, column = np.argwhere(np.column_stack([labels == "", is_bad]))[0]
        column, rule = (columns.label, *columns.pixels)[column], "the label is missing"
        if column != columns.label:
            cell = str(cells.iat[row, column])
            rule = f"the pixel {cell[:20]!r} is not a number; {RULE}"
            rule = rule if cell.strip() else f"the pixel is missing; {RULE}"
        raise DataError(f"{path}, row {cells.index[row] + 1}, column {column}: {rule}")
    with np.errstate(invalid="ignore"):
        as_bytes = values.astype(np.uint8, order="C")  # pandas has them column by column
    return as_bytes if (as_bytes == values).all() else values.astype(np.float32, order="C")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say what is wrong with a file as a whole, in a line that names it."""
    from pandas.errors import EmptyDataError, ParserError, ParserWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)  # of rows longer than the header
            yield
    except DataError:
        raise
    except EmptyDataError as error:
        raise DataError(f"{path}: empty; it needs rows of a label and pixels") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; fix: save it as UTF-8") from error
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); fix: bring it again") from error
    except (ParserError, ParserWarning, ValueError) as error:
        said = str(error).strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise DataError(f"{path}: not a table of rows alike ({said})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
