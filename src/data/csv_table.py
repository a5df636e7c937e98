"""Reads a CSV file of labels and pixels with pandas; the first bad cell is told with its place."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, final

import numpy as np

from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

# pandas parses to eight bytes a cell: so many cells at once keep that small beside the images.
CELLS_AT_ONCE = 1 << 21
NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
BLANK = re.compile(r"[ \t]+")
OPEN_QUOTE = "is a quotation mark left open?"


@final
@dataclass(frozen=True)
class Table:
    """labels: text `[N]`, without blanks and byte order marks around it. pixels: uint8 `[N, P]`."""

    path: Path
    has_header: bool
    labels: "pd.Series[str]"
    pixels: np.ndarray

    def line(self, row: int) -> int:
        """Return the line of the file, counted from 1, on which a row starts."""
        with _open(self.path) as file:
            line, _ = next(islice(_rows(file), row + self.has_header, None))
        return line


class _BadCell(Exception):
    """Its row, counted from the first below a header, and its column."""


def read_table(path: Path) -> Table:
    """Read the file `path`, compressed if its name ends in `.gz`.

    Raises DataError that names the file and, of the first bad cell, line and column.
    """
    from pandas.errors import EmptyDataError, ParserError

    with _readable(path), _open(path) as file:
        line, cells = next(_rows(file), (1, []))
        if len(cells) == 1:
            raise DataError(
                f"{path}, line {line}: one column only; a row is a label and its pixels, "
                "separated by commas"
            )
        if not (has_header := _is_header(cells)):
            file.seek(0)
        try:
            labels, pixels = _read(file, num_columns=len(cells))
        except _BadCell as bad:
            row, column = bad.args
            raise DataError(_fault(path, row=row + has_header, column=column)) from bad
        except ParserError as error:  # a row is too long, or a quotation mark is left open
            raise DataError(_fault(path)) from error
        except EmptyDataError as error:
            has = "a header and no rows" if has_header else "empty"
            raise DataError(f"{path}: {has}; it needs rows of a label and pixels") from error
    return Table(path=path, has_header=has_header, labels=labels, pixels=pixels)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV table ({error}); {OPEN_QUOTE}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; fix: save it as UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fix: bring it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _open(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line, counted from 1, and the cells of each row that pandas does not skip."""
    reader = csv.reader(file)
    line = 1
    for cells in reader:
        if len(cells) > 1 or (cells and not BLANK.fullmatch(cells[0])):
            yield line, cells
        line = reader.line_num + 1


def _is_header(cells: list[str]) -> bool:
    """Say whether the first row names the columns instead of giving pixels.

    It does where no pixel is a number, or where the pixels are numbered 0, 1, 2, ... or from 1.
    """
    pixels = cells[1:]
    if not any(NUMBER.fullmatch(cell) for cell in pixels):
        return any(cell.strip() for cell in pixels)
    numbered = (list(map(str, range(first, first + len(pixels)))) for first in (0, 1))
    return len(pixels) >= 9 and pixels in numbered


def _read(file: IO[str], *, num_columns: int) -> tuple["pd.Series[str]", np.ndarray]:
    """Return the labels and the pixels of all rows; raises _BadCell."""
    import pandas as pd

    parts = pd.read_csv(
        file,
        header=None,
        dtype={0: str},
        na_filter=False,  # a label may be NA, and a missing pixel shall not become a number
        low_memory=False,
        chunksize=1 + CELLS_AT_ONCE // (1 + num_columns),
    )
    labels = []
    pixels = bytearray()
    for part in parts:
        if part.shape[1] != num_columns:
            raise _BadCell(0, 0)
        labels.append(part[0].str.strip().str.strip("\ufeff").str.strip())
        pixels += _as_bytes(part.iloc[:, 1:], labels[-1]).data
    column = pd.concat(labels)
    return column, np.frombuffer(pixels, np.uint8).reshape(len(column), -1)


def _as_bytes(pixels: "pd.DataFrame", labels: "pd.Series[str]") -> np.ndarray:
    """Return the pixels as uint8 `[N, P]`; raises _BadCell at the first that has no such value."""
    import pandas as pd

    values = pixels.to_numpy()
    if values.dtype.kind not in "iuf":  # text among them, or True, which is no number
        values = pixels.astype(str).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        as_bytes = values.astype(np.uint8, order="C")
    is_bad = as_bytes != values
    if is_bad.any() or not labels.all():
        row, column = np.argwhere(np.column_stack([labels == "", is_bad]))[0]
        raise _BadCell(pixels.index[row], column)
    return as_bytes


def _fault(path: Path, *, row: int | None = None, column: int = 0) -> str:
    """Say what is wrong with a cell, or with the first row up to it that is too long or too short.

    row: counted from the first of the file; None looks for a long or short row only.
    """
    with _open(path) as file:
        for number, (line, cells) in enumerate(_rows(file)):
            if number == 0:
                first_line, num_columns = line, len(cells)
            if len(cells) != num_columns:
                return (
                    f"{path}, line {line}: {len(cells)} columns, but line {first_line} has "
                    f"{num_columns}; every row needs the same"
                )
            if number == row:
                return f"{path}, line {line}, column {column}: {_rule(cells[column], column)}"
    return f"{path}: not a CSV table; {OPEN_QUOTE}"


def _rule(cell: str, column: int) -> str:
    shown = repr(cell if len(cell) <= 20 else cell[:20] + "...")
    if column == 0:
        return "the label is missing"
    if not cell.strip():
        return "the pixel is missing; it must be a whole number, 0..255"
    if not NUMBER.fullmatch(cell):
        return f"the pixel {shown} is not a number; it must be a whole number, 0..255"
    if not 0 <= float(cell) <= 255:
        return f"the pixel {shown} is out of range; it must be within 0..255"
    return f"the pixel {shown} must be a whole number, 0..255"
