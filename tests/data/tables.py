"""CSV files made from scikit-learn's real digits."""

import gzip
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def digit_rows(count: int = 1797) -> np.ndarray:
    """Return int64 `[count, 65]`: label and 64 pixels, 0..255."""
    digits = load_digits()
    pixels = np.rint(digits.data[:count] * (255 / 16)).astype(np.int64)
    return np.column_stack([digits.target[:count], pixels])


def as_text(rows: np.ndarray) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


def write(path: Path, text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)
