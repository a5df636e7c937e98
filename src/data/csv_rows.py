"""The rows of a CSV file with the line each stands on: slow, but it can say where a fault is."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

from src.errors import DataError

NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
PIXEL_TEXTS = frozenset(str(value) for value in range(256))
UNREADABLE = (OSError, EOFError, zlib.error, csv.Error)


@final
@dataclass(frozen=True)
class Row:
    """The cells of one row and the line, counted from 1, on which it starts."""

    line: int
    cells: list[str]

    @property
    def label(self) -> str:
        return cleaned(self.cells[0])


def cleaned(label: str) -> str:
    """Return a label without the blanks and byte order marks around it."""
    return label.strip().strip("\ufeff").strip()


def open_text(path: Path) -> IO[str]:
    """Open a CSV file, or one compressed with gzip, for reading text."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def rows_in(file: IO[str], *, strict: bool = False) -> Iterator[Row]:
    """Yield the rows of an open file that are not blank; `strict` refuses stray quotation marks."""
    reader = csv.reader(file, strict=strict)
    line = 1
    for cells in reader:
        if len(cells) > 1 or "".join(cells).strip():
            yield Row(line, cells)
        line = reader.line_num + 1


def rows_of(path: Path, *, strict: bool = False) -> Iterator[Row]:
    """Yield the rows of `path` as `rows_in` does; raises DataError where it cannot be read."""
    line = 0
    try:
        with open_text(path) as file:
            for row in rows_in(file, strict=strict):
                line = row.line
                yield row
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {_first_line_not_utf8(path)}: not UTF-8 text; cure: save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path}, after line {line}: not a CSV table ({error}); is a quotation mark left open?"
        ) from error
    except gzip.BadGzipFile as error:
        raise DataError(f"{path}: damaged gzip file ({error}); cure: bring it again") from error
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"{path}, after line {line}: damaged gzip file ({error}); cure: bring it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def is_header(row: Row) -> bool:
    """Say whether the first row names the columns instead of giving pixels.

    It does where no pixel is a number, or where the pixels are numbered 0, 1, 2, ... or from 1.
    """
    pixels = row.cells[1:]
    if not any(NUMBER.fullmatch(cell) for cell in pixels):
        return any(cell.strip() for cell in pixels)
    numbered = (list(map(str, range(first, first + len(pixels)))) for first in (0, 1))
    return len(pixels) >= 9 and pixels in numbered


def first_fault(path: Path) -> str:
    """Say what is wrong with the first row that is not a label and pixels, and where it stands.

    Raises DataError where the file cannot be read to that row.
    """
    first = next(rows_of(path), None)
    if first is None:
        return f"{path}: empty; it needs rows of a label and pixels"
    if len(first.cells) < 2:
        return (
            f"{path}, line {first.line}: one column only; a row is a label and its pixels, "
            "separated by commas"
        )
    rows = rows_of(path)
    if is_header(first):
        next(rows)
    num_rows = 0
    for row in rows:
        if fault := _row_fault(row, first):
            return f"{path}, line {row.line}{fault}"
        num_rows += 1
    if not num_rows:
        return f"{path}: a header and no rows; it needs rows of a label and pixels"
    for _ in rows_of(path, strict=True):
        pass  # raises where a quotation mark is left open
    return f"{path}: pandas does not read it as a table; is it comma-separated text?"


def _row_fault(row: Row, first: Row) -> str | None:
    if len(row.cells) != len(first.cells):
        return (
            f": {len(row.cells)} columns, but line {first.line} has {len(first.cells)}; "
            "every row needs the same"
        )
    if not row.label:
        return ", column 0: the label is missing"
    if PIXEL_TEXTS.issuperset(row.cells[1:]):
        return None
    faults = ((column, _pixel_fault(cell)) for column, cell in enumerate(row.cells[1:], start=1))
    return next((f", column {column}: {fault}" for column, fault in faults if fault), None)


def _pixel_fault(cell: str) -> str | None:
    if not cell.strip():
        return "the pixel is missing; it must be a whole number, 0..255"
    if not NUMBER.fullmatch(cell):
        return f"the pixel {_short(cell)} is not a number; it must be a whole number, 0..255"
    if not float(cell).is_integer():
        return f"the pixel {_short(cell)} must be a whole number, 0..255"
    if not 0 <= float(cell) <= 255:
        return f"the pixel {_short(cell)} is out of range; it must be within 0..255"
    return None


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 20 else cell[:20] + "...")


def _first_line_not_utf8(path: Path) -> int:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode()
            except UnicodeDecodeError:
                return line
    return line
