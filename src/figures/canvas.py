"""Words as pixels: in a font that is always there, cut to the room they have."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from src.figures.style import INK

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TEXT_SIZE = 11
UNKNOWN = "□"


@lru_cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib brings, at `size` pixels."""
    return ImageFont.truetype(f"{FONTS}/DejaVuSans{'-Bold' if bold else ''}.ttf", size)


@lru_cache
def _known_letters() -> frozenset[int]:
    return frozenset(FT2Font(FONTS / "DejaVuSans.ttf").get_charmap())


def drawable(text: str) -> str:
    """Return `text` on one line, with a box for every letter that the font lacks."""
    line = " ".join(text.split())
    return "".join(letter if ord(letter) in _known_letters() else UNKNOWN for letter in line)


def text_width(text: str, *, size: int = TEXT_SIZE, bold: bool = False) -> int:
    """Return the width of a line of text in pixels."""
    return int(np.ceil(font(size, bold=bold).getlength(drawable(text))))


def trimmed(text: str, *, width: int, size: int = TEXT_SIZE) -> str:
    """Return `text`, or as much of its beginning as fits into `width` pixels, and "…"."""
    kept = text = drawable(text)
    while kept and text_width(text, size=size) > width:
        kept = kept[:-1].rstrip()
        text = kept + "…"
    return text if kept else ""


def class_labels(class_names: Sequence[str], *, width: int) -> list[str]:
    """Return names of at most `width` pixels; "class 3" for one of which no letter can be drawn."""
    short = [trimmed(name, width=width) for name in class_names]
    return [n if set(n) - set(UNKNOWN + "… ") else f"class {k}" for k, n in enumerate(short)]


@lru_cache(maxsize=2048)
def _mask(text: str, *, size: int, bold: bool) -> Image.Image:
    """Return how much ink a line of text puts where; numbers come again and again."""
    mask = Image.new("L", (text_width(text, size=size, bold=bold) + 1, size + 6), 0)
    pen, middle = ImageDraw.Draw(mask), mask.height / 2
    pen.text((0, middle), text, fill=255, font=font(size, bold=bold), anchor="lm")
    return mask


def write(
    image: Image.Image,
    at: tuple[float, float],
    text: str,
    *,
    size: int = TEXT_SIZE,
    colour: str = INK,
    align: float = 0.0,
    bold: bool = False,
) -> None:
    """Write a line of text around the height `at[1]`.

    align: the share of its width that stands left of `at[0]`: 0 begins there, 0.5 is centred.
    """
    mask = _mask(drawable(text), size=size, bold=bold)
    corner = (round(at[0] - align * mask.width), round(at[1] - mask.height / 2))
    image.paste(colour, corner, mask)
