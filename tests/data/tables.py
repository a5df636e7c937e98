"""Tables and folders of pictures made from scikit-learn's real digits."""

import gzip
from pathlib import Path

import numpy as np
from PIL import Image
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


def drawn(pixels: np.ndarray, *, size: int = 160, page: int = 240) -> np.ndarray:
    """Return a digit, uint8 of any side, as a drawing on paper, uint8 `[page, page]`."""
    strokes = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    start = (page - size) // 2
    ink = np.zeros((page, page))
    ink[start : start + size, start : start + size] = np.asarray(strokes) / 255
    return (245 - 225 * ink).clip(0, 255).astype(np.uint8)


def write_pictures(folder: Path, *, count: int = 300, tiny: bool = True) -> str:
    """Write digits as pictures, a folder a class, 8 x 8 as they are or drawn on paper."""
    for number, (label, *pixels) in enumerate(digit_rows(count).tolist()):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        image = np.array(pixels, np.uint8).reshape(8, 8)
        picture = Image.fromarray(image if tiny else drawn(image))
        picture.save(folder / str(label) / f"{number}.png")
    return str(folder)
