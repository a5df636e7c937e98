"""Text, colour bars and files for figures that are drawn as plain pixels."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.figures.style import INK, MUTED, PAPER


@lru_cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib brings, at `size` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def text_width(text: str, *, size: int, bold: bool = False) -> int:
    """Return the width of a line of text in pixels."""
    return int(np.ceil(font(size, bold=bold).getlength(text)))


def trimmed(text: str, *, size: int, width: int) -> str:
    """Return `text`, or as much of its beginning as fits into `width` pixels, and "…"."""
    text = " ".join(text.split())
    if text_width(text, size=size) <= width:
        return text
    kept = text
    while kept and text_width(kept + "…", size=size) > width:
        kept = kept[:-1].rstrip()
    return kept + "…" if kept else ""


def blank(*, width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return white paper and the pen to write on it."""
    image = Image.new("RGB", (width, height), PAPER)
    return image, ImageDraw.Draw(image)


def write(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    size: int = 12,
    colour: str = INK,
    anchor: str = "la",
    bold: bool = False,
) -> None:
    """Write a line of text; `anchor` is Pillow's: horizontal l m r, vertical a m s d."""
    pen.text(at, text, fill=colour, font=font(size, bold=bold), anchor=anchor)


def write_upwards(
    image: Image.Image, at: tuple[int, int], text: str, *, size: int, anchor: str = "top"
) -> None:
    """Write a line of text that runs upwards, centred on x.

    at: x of the centre, and y of the line's end (anchor "top") or of its middle ("middle").
    """
    width, height = text_width(text, size=size) + 2, size + 4
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).text((1, height / 2), text, fill=255, font=font(size), anchor="lm")
    top = at[1] if anchor == "top" else at[1] - width // 2
    turned = mask.transpose(Image.Transpose.ROTATE_90)
    image.paste(INK, (at[0] - height // 2, top), turned)


def colour_bar(
    image: Image.Image,
    at: tuple[int, int],
    colours: np.ndarray,
    *,
    low: str,
    high: str,
    width: int = 110,
    size: int = 11,
) -> None:
    """Draw a horizontal bar of `colours`, uint8 `[M, 3]`, between its two ends in words."""
    pen = ImageDraw.Draw(image)
    left = at[0] + text_width(low, size=size) + 5
    columns = colours[np.linspace(0, len(colours) - 1, width).round().astype(int)]
    image.paste(Image.fromarray(np.repeat(columns[None], 10, axis=0)), (left, at[1] - 5))
    pen.rectangle((left - 1, at[1] - 6, left + width, at[1] + 5), outline="#bbbbbb")
    write(pen, (at[0], at[1]), low, size=size, colour=MUTED, anchor="lm")
    write(pen, (left + width + 5, at[1]), high, size=size, colour=MUTED, anchor="lm")


def colour_bar_width(*, low: str, high: str, width: int = 110, size: int = 11) -> int:
    """Return the pixels that `colour_bar` takes from its left to its right end."""
    return text_width(low, size=size) + text_width(high, size=size) + width + 10


def enlarged(images: np.ndarray, *, zoom: int) -> np.ndarray:
    """Return `[..., H, W, 3]` with every pixel as a square of `zoom` pixels."""
    return images.repeat(zoom, axis=-3).repeat(zoom, axis=-2)


def save_picture(picture: Image.Image | np.ndarray, path: Path) -> None:
    """Write a picture (or uint8 `[H, W, 3]`) as PNG; little compression, it is faster."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(path, format="PNG", compress_level=1)
