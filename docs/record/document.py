"""Documents whose tables are made: what stands between two markers is replaced."""

import re
from pathlib import Path

import pandas as pd

from docs.record.tables import TABLES
from src.errors import ConfigError

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, record: pd.DataFrame) -> str:
    """Return the document with every table made anew from the record.

    Raises ConfigError where a marker names no table, or the record lacks its runs.
    """

    def block(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            raise ConfigError(
                f"<!-- table: {found[2]} -->: there is no such table; choose one of "
                f"{', '.join(TABLES)}"
            )
        return f"{found[1]}\n{TABLES[found[2]](record)}\n\n{found[3]}"

    return BLOCK.sub(block, text)


def refill(path: Path, record: pd.DataFrame) -> bool:
    """Write the document's tables anew; tell whether anything changed."""
    old = path.read_text(encoding="utf-8")
    new = filled(old, record)
    if new != old:
        path.write_text(new, encoding="utf-8")
    return new != old
