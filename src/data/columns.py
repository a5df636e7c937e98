"""Finds out what the columns of a table of images are: labels, pixels, an index before them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, final

from src.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(
    r"\s*[+-]?([0-9]+(\.[0-9]*|,[0-9]+)?|[.,][0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII
)
LABEL_NAMES = ("label", "labels", "class", "target", "digit", "category", "y")
INDEX_NAMES = ("", "index", "id", "imageid", "unnamed: 0")
HEADER_WORDS = {*LABEL_NAMES[:-1], *INDEX_NAMES[1:]}
"""One of them makes the first row a header, whatever else is in it."""

GUESS = "the first"


@final
@dataclass(frozen=True)
class Columns:
    """Columns of a table, by number. label, index: None where there are none. said: for people.

    names: of all columns, as they stand in the header; empty without one. position: of the label
    from the end, -1 is the last; None where only a guess says which it is.
    """

    label: int | None
    pixels: tuple[int, ...]
    said: str
    names: tuple[str, ...] = ()
    index: int | None = None
    position: int | None = None

    def name(self, column: int | None) -> str | None:
        """Return the name of a column, None where it has none."""
        return self.names[column] or None if self.names and column is not None else None


def is_header(top: "pd.DataFrame") -> bool:
    """Say whether the first row names the columns instead of giving pixels.

    It does where no cell is a number, where those that are count 0, 1, 2, ... or from 1, and where
    a word of it is in no other row and is a usual name, or stands beside numbers that all differ.
    """
    cells = [cell.strip("\ufeff ") for cell in top.iloc[0]]
    numbers = [cell for cell in cells if NUMBER.fullmatch(cell)]
    counted = (list(map(str, range(first, first + len(numbers)))) for first in (0, 1))
    if not numbers or (len(numbers) >= 9 and numbers in counted):
        return True
    all_differ = len(numbers) >= 9 and len(set(numbers)) == len(numbers)
    words = [k for k, cell in enumerate(cells) if not NUMBER.fullmatch(cell)]
    named = [k for k in words if all_differ or cells[k].casefold() in HEADER_WORDS]
    return any(not top[1:][k].str.strip().eq(cells[k]).any() for k in named)


def find_columns(
    path: Path,
    top: "pd.DataFrame",
    *,
    header: bool,
    label: str | int | None = None,
    pixels: int | None = None,
    usual: tuple[str | None, int | None] = (None, None),
) -> Columns:
    """Tell what the columns are from the first rows of a table, text.

    header: whether the first row names the columns. label, pixels, usual: as for `read_table`.
    Raises DataError where it cannot be told.
    """
    number = top.shape[1]
    if number == 1:
        raise DataError(f"{path}: one column only; a row is a label and its pixels")
    names = [name.strip("\ufeff ") for name in top.iloc[0]] if header else []
    body = top[1:] if header else top

    def is_image(count: int) -> bool:
        return count == pixels if pixels else count > 0 and isqrt(count) ** 2 == count

    folded = [name.casefold() for name in names]
    found = _named_label(path, folded, number, label, usual[0])
    first = int((not found or found[0] > 0) and _is_index(folded, body, bool(found), is_image))
    if found is None and usual[1] is not None and number - first - 1 == pixels:
        found = number + usual[1], "as in training"
    column, why = found or _unnamed_label(path, names, body, first, is_image)
    said = why if column is None else f"labels in column {column} ({why})"
    return Columns(
        label=column,
        pixels=tuple(k for k in range(first, number) if k != column),
        said=f"{said}, an index in column 0 left out" if first else said,
        names=tuple(names),
        index=0 if first else None,
        position=None if column is None or why == GUESS else column - number,
    )


def _named_label(
    path: Path, names: list[str], number: int, asked: str | int | None, usual: str | None
) -> tuple[int, str] | None:
    """Return the column that was asked for, or whose name is one of a label's, and why."""
    if isinstance(asked, int) and -number <= asked < number:
        return asked % number, "as asked"
    if asked is not None:
        if str(asked).casefold() not in names:
            has = f"it has {number} columns, the first named {', '.join(names[:5]) or 'nothing'}"
            raise DataError(f"data.label={asked}: {path} has no such column; {has}")
        return names.index(str(asked).casefold()), "as asked"
    likely = (usual.casefold(), *LABEL_NAMES) if usual else LABEL_NAMES
    named = next((name for name in likely if names.count(name) == 1), None)
    return None if named is None else (names.index(named), f"named {named!r}")


def _is_index(
    names: list[str], body: "pd.DataFrame", has_label: bool, is_image: Callable[[int], bool]
) -> bool:
    """Tell whether column 0 is one too many for an image and numbers the rows.

    It does where it counts them, or has an index's name and no value twice.
    """
    number, cells = body.shape[1], body[0]
    if names and names[0] in INDEX_NAMES and cells.is_unique:
        return is_image(number - 2) or (not has_label and is_image(number - 1))
    counted = [[str(first + k) for k in range(len(cells))] for first in (0, 1)]
    fits = is_image(number - 2) and not is_image(number - 1)
    return len(cells) > 1 and cells.tolist() in counted and fits


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
    return first, GUESS
