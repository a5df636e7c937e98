"""Reads a table of images with pandas, and finds out what its columns and values are."""

import gzip
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# pandas parses to eight bytes a cell: so many cells at once keep that small beside the images.
CELLS_AT_ONCE = 1 << 21
ROWS_LOOKED_AT = 200
SEPARATORS = (";", "\t", "|", ",", r"\s+")
PACKED = {b"\x1f\x8b": "gzip", b"PK": "zip"}
NUMBER = re.compile(r"\s*[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
LABEL_NAMES = ("label", "labels", "class", "target", "digit", "category", "y")
INDEX_NAMES = ("", "index", "id", "imageid", "unnamed: 0")
RULE = "it must be a number, 0..255"


@final
@dataclass(frozen=True)
class Columns:
    """Columns of a table, by number. label: None where there are none. said: for people."""

    label: int | None
    pixels: tuple[int, ...]
    said: str


@final
@dataclass(frozen=True)
class Table:
    """Labels and pixels as they stand in a file.

    labels: text `[N]`, without blanks and byte order marks around it; None where there are none.
    values: `[N, P]`, uint8 where all are whole and 0..255, else float32.
    """

    path: Path
    columns: Columns
    labels: "pd.Series[str] | None"
    values: np.ndarray

    def scaled(self, low: float, high: float) -> np.ndarray:
        """Return the values from `low` to `high` as uint8 `[N, P]`, 0..255.

        Raises DataError at the first that is out of the range.
        """
        out = (self.values < low) | (self.values > high)
        if out.any():
            row, column = np.argwhere(out)[0]
            raise DataError(
                f"{self.path}, row {row + 1}, column {self.columns.pixels[column]}: the pixel "
                f"{self.values[row, column]:g} is out of range; it must be within {low:g}.."
                f"{high:g}; fix: data.max_value= says what the largest value may be"
            )
        if (low, high, self.values.dtype) == (0, 255, np.uint8):
            return self.values
        share = (self.values.astype(np.float32) - low) / (high - low)
        return np.rint(share * 255).astype(np.uint8)

    def range(self, max_value: float | None = None) -> tuple[float, float]:
        """Return the range that the values fill: 0..1, -1..1, 0..16, or else 0..255.

        max_value: the largest value there may be, where that is told.
        """
        low, high = float(self.values.min()), float(self.values.max())
        if max_value is not None:
            return 0.0, max_value
        if -1 <= low < 0 and high <= 1:
            return -1.0, 1.0
        tops = (1.0, 16.0, 255.0) if low >= 0 else (255.0,)
        return 0.0, next((top for top in tops if high <= top), 255.0)


def read_table(path: Path, *, label: str | int | None = None, pixels: int | None = None) -> Table:
    """Read separated text in UTF-8, packed by gzip or zip, or parquet, whatever its name.

    label: name or number of the column with the labels; None finds it. pixels: how many columns
    make an image; None: any square number. Raises DataError that names the file and, of the first
    bad cell, the row below the header, from 1, and the column, from 0.
    """
    import pandas as pd

    with _readable(path):
        with path.open("rb") as file:
            begins = file.read(4)
        if begins == b"PAR1":
            whole = pd.read_parquet(path)
            top = pd.DataFrame([whole.columns.astype(str), *whole.head(ROWS_LOOKED_AT).values])
            columns = find_columns(path, top.astype(str), label=label, pixels=pixels, header=True)
            return _table(path, columns, [whole.reset_index(drop=True)])
        kept: dict[str, Any] = {"na_filter": False, "compression": PACKED.get(begins[:2])}
        top = _top(path, kept)
        has_header = _is_header(top.iloc[0])
        columns = find_columns(path, top, label=label, pixels=pixels, header=has_header)
        as_text = {}
        if columns.label is not None:
            as_text = {top.iat[0, columns.label] if has_header else columns.label: str}
        with pd.read_csv(
            path,
            header=0 if has_header else None,
            index_col=False,
            dtype=as_text,
            low_memory=False,
            chunksize=1 + CELLS_AT_ONCE // top.shape[1],
            **kept,
        ) as parts:
            return _table(path, columns, parts)


def _top(path: Path, kept: dict[str, Any]) -> "pd.DataFrame":
    """Return the first rows as text, and keep what separates their cells and decimals."""
    import pandas as pd

    def read(separator: str) -> "pd.DataFrame":
        told = {"header": None, "dtype": str, "nrows": 1, **kept}
        return pd.read_csv(path, sep=separator, **told)

    kept["sep"] = max(SEPARATORS, key=lambda separator: read(separator).shape[1])
    told = {"header": None, "dtype": str, "nrows": ROWS_LOOKED_AT, **kept}
    top = pd.read_csv(path, **told)
    comma = re.compile(r"\s*[+-]?[0-9]*,[0-9]+\s*")
    if kept["sep"] != "," and any(map(comma.fullmatch, top.tail(5).to_numpy().ravel())):
        kept["decimal"] = ","
    return top


def _is_header(cells: Iterable[str]) -> bool:
    """Say whether the first row names the columns instead of giving pixels.

    It does where no cell is a number, or where those that are count 0, 1, 2, ... or from 1.
    """
    numbers = [cell.strip() for cell in cells if NUMBER.fullmatch(cell)]
    counted = (list(map(str, range(first, first + len(numbers)))) for first in (0, 1))
    return not numbers or (len(numbers) >= 9 and numbers in counted)


def find_columns(
    path: Path, top: "pd.DataFrame", *, label: str | int | None, pixels: int | None, header: bool
) -> Columns:
    """Tell what the columns are from the first rows of a table, text.

    label, pixels: as for `read_table`. header: whether the first row names the columns.
    Raises DataError where it cannot be told.
    """
    number = top.shape[1]
    if number == 1:
        raise DataError(f"{path}: one column only; a row is a label and its pixels")
    names = [name.strip("\ufeff ").casefold() for name in top.iloc[0]] if header else []
    body = top[1:] if header else top

    def is_image(count: int) -> bool:
        return count == pixels if pixels else count > 0 and isqrt(count) ** 2 == count

    found = _named_label(path, names, number, label)
    first = int(_is_index(names, body[0], number, found is not None, is_image))
    column, why = found or _unnamed_label(path, names, body, first, is_image)
    said = why if column is None else f"labels in column {column} ({why})"
    return Columns(
        label=column,
        pixels=tuple(k for k in range(first, number) if k != column),
        said=f"{said}, an index in column 0 left out" if first else said,
    )


def _named_label(
    path: Path, names: list[str], number: int, asked: str | int | None
) -> tuple[int, str] | None:
    """Return the column that was asked for, or whose name is one of a label's, and why."""
    if isinstance(asked, int) and -number <= asked < number:
        return asked % number, "as asked"
    if asked is not None:
        if str(asked).casefold() not in names:
            has = f"it has {number} columns, the first named {', '.join(names[:5]) or 'nothing'}"
            raise DataError(f"data.label={asked}: {path} has no such column; {has}")
        return names.index(str(asked).casefold()), "as asked"
    named = next((name for name in LABEL_NAMES if names.count(name) == 1), None)
    return None if named is None else (names.index(named), f"named {named!r}")


def _is_index(
    names: list[str],
    cells: "pd.Series[str]",
    number: int,
    has_label: bool,
    is_image: Callable[[int], bool],
) -> bool:
    """Tell whether column 0 counts the rows and is one too many for an image."""
    counted = [[str(first + k) for k in range(len(cells))] for first in (0, 1)]
    fits = is_image(number - 2) and not is_image(number - 1)
    named = bool(names) and names[0] in INDEX_NAMES and is_image(number - 1 - has_label)
    return len(cells) > 1 and cells.tolist() in counted and (fits or named)


def _unnamed_label(
    path: Path,
    names: list[str],
    body: "pd.DataFrame",
    first: int,
    is_image: Callable[[int], bool],
) -> tuple[int | None, str]:
    """Return the first column that is no index, or None where the table has images alone."""
    last = body.shape[1] - 1
    is_text = {k: not body[k].map(lambda cell: bool(NUMBER.fullmatch(cell))).all() for k in body}
    count = body.shape[1] - first
    if is_image(count) and not is_image(count - 1) and not (is_text[first] or is_text[last]):
        return None, "no column of labels"
    if is_text[last] and not is_text[first]:
        return last, "the last, of words"
    shares = {k: body[k].value_counts(normalize=True) for k in (first, last)}
    like_labels = shares[last].max() < 0.5 and len(shares[last]) <= min(100, len(body) / 2)
    if not names and shares[first].max() > 0.8 and like_labels:
        raise DataError(
            f"{path}: column {first} is {shares[first].idxmax()!r} in {shares[first].max():.0%} of "
            f"the first {len(body)} rows, and column {last} looks like the label; fix: "
            f"data.label=-1 takes the last column, data.label={first} the first"
        )
    return first, "the first"


def _table(path: Path, columns: Columns, parts: "Iterable[pd.DataFrame]") -> Table:
    import pandas as pd

    labels, values = [], []
    for part in parts:
        cells = part.set_axis(range(part.shape[1]), axis="columns")
        named = pd.Series("-", cells.index)
        if columns.label is not None:
            column = cells[columns.label]
            text = column.astype(str).str.strip().str.strip("\ufeff").str.strip()
            named = text.mask(column.isna(), "")
        labels.append(named)
        values.append(_numbers(path, cells, columns, named))
    if not values or not len(values[0]):
        raise DataError(f"{path}: a header and no rows; it needs rows of pixels")
    has_labels = columns.label is not None
    return Table(path, columns, pd.concat(labels) if has_labels else None, np.concatenate(values))


def _numbers(
    path: Path, cells: "pd.DataFrame", columns: Columns, labels: "pd.Series[str]"
) -> np.ndarray:
    """Return the pixels of some rows; raises DataError at the first cell that is no number."""
    import pandas as pd

    pixels = cells[list(columns.pixels)]
    values = pixels.to_numpy()
    if values.dtype.kind not in "iuf":  # text among them, or True, which is no number
        values = pixels.astype(str).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
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
        as_bytes = values.astype(np.uint8)
    return as_bytes if (as_bytes == values).all() else values.astype(np.float32)


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
