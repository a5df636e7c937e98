"""Picture files as arrays: any format, mode, size and orientation, with limits and clear errors."""

import os
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from src.errors import UserError

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""Pillow's names of what is read; formats that run other programs, as EPS, are not."""
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
"""What is taken of a folder."""
TABLES = frozenset({".csv", ".tsv", ".parquet"})
WORKING_SIDE = 512
"""Larger pictures are first reduced by a whole factor to at least this many pixels a side."""
MAX_FILE_BYTES = 10_000_000
"""Of a picture file that a page takes."""
OPAQUE = 0.5


class PictureError(UserError):
    """A picture cannot be read."""


@final
@dataclass(frozen=True)
class Picture:
    """A picture as it is looked at.

    colours: float32 `[H, W, 3]` in 0..1, upright, without transparency, reduced where it was
    large. grey: uint8 `[H, W]` of a picture that has one channel or three equal ones, unreduced
    and without transparency, else None. note: what was left out, for people; may be empty.
    """

    colours: np.ndarray
    grey: np.ndarray | None
    note: str = ""


def is_table(path: Path) -> bool:
    """Tell a table of images, text or parquet, packed or not, from a picture.

    By the suffix, else by what it holds: at least three cells, and none of the signs with which
    vector graphics begin.
    """
    if path.suffix.lower() in SUFFIXES or not os.path.isfile(path):  # noqa: PTH113  any length
        return False
    with path.open("rb") as file:
        begins = file.read(512).lstrip(b"\xef\xbb\xbf \r\n")
    if path.suffix.lower() in TABLES or begins.startswith((b"\x1f\x8b", b"PK\x03\x04", b"PAR1")):
        return True
    cells = re.split(rb"[\s,;|]+", begins)
    return b"\0" not in begins and not begins.startswith((b"<", b"%")) and len(cells) >= 3


def picture_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, and in place of each folder the pictures in it, in order of their names.

    Raises PictureError naming every folder without pictures, and every file where none is there.
    Else a missing file is kept: reading it says so, without stopping the others.
    """
    files: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112  takes any length
            files.append(path)
            continue
        found = pictures_in(path)
        files += found
        if not found:
            problems.append(f"{path}: this folder has no pictures ({' '.join(sorted(SUFFIXES))})")
    if files and not any(map(os.path.exists, files)):
        problems += [f"{file}: there is no such file" for file in files]
    if problems:
        raise PictureError(*problems)
    return files


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its sub-folders, but hidden ones, sorted."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def read_picture(file: Path | IO[bytes], *, name: str | None = None) -> Picture:
    """Read a picture file; of an animation its first frame.

    name: what to call it in an error; by default its path.
    Raises PictureError where it is missing, damaged, no picture, empty or huge.
    """
    name = name or str(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; a damaged picture raises
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()  # else Pillow looks for WebP, TIFF and AVIF only once all others fail
            with Image.open(file, formats=[f for f in FORMATS if f in Image.OPEN]) as image:
                frames = getattr(image, "n_frames", 1)
                image.seek(0)
                return _picture(ImageOps.exif_transpose(image), frames=frames)
    except FileNotFoundError as error:
        raise PictureError(f"{name}: there is no such file") from error
    except UnidentifiedImageError as error:
        kinds = "PNG, JPEG, GIF, BMP, WebP, TIFF, PPM or AVIF"
        raise PictureError(f"{name}: is not a picture, or damaged; give a {kinds}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise PictureError(f"{name}: has more than {most} pixels; make it smaller") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise PictureError(f"{name}: cannot be read ({said}); save it again") from error


def picture_from_array(pixels: np.ndarray) -> Picture:
    """Return the picture of grey values or colours, uint8 `[H, W]`, `[H, W, 3]` or `[H, W, 4]`."""
    return _picture(Image.fromarray(pixels), frames=1)


def _picture(image: Image.Image, *, frames: int) -> Picture:
    notes = [f"the first of {frames} frames"] if frames > 1 else []
    image = _eight_bits(image)
    if image.has_transparency_data:
        layers = np.asarray(_reduced(image.convert("RGBA")), dtype=np.float32) / 255
        if layers[..., 3].min() < 1:
            return Picture(_on_paper(layers), None, "; ".join(notes))
    grey = _grey(image)
    colours = np.asarray(_reduced(image.convert("RGB")), dtype=np.float32) / 255
    return Picture(colours, grey, "; ".join(notes))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Bring 16 bits and real numbers to 0..255, by the bits they fill or else by their own range.

    A camera's 10 or 12 bits stand in files of 16.
    """
    if image.mode not in {"I", "F"} and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("some of its values are no numbers")
    low, high = min(0.0, values.min()), values.max()
    if high > 255 or image.mode == "F":
        if image.mode != "F" and low == 0 and high <= 65535:
            high = 2.0 ** int(high).bit_length() - 1
        values = (values - low) * (255 / max(high - low, 1e-12))
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _reduced(image: Image.Image) -> Image.Image:
    factor = max(image.size) // WORKING_SIDE
    return image.reduce(factor) if factor > 1 else image


def _grey(image: Image.Image) -> np.ndarray | None:
    """Return the grey values of a small grey picture, however it was saved."""
    if max(image.size) > WORKING_SIDE:
        return None
    if image.mode in {"L", "1"}:
        return np.asarray(image.convert("L"))
    channels = np.asarray(image.convert("RGB"))
    same = (channels == channels[..., :1]).all()
    return np.ascontiguousarray(channels[..., 0]) if same else None


def _on_paper(layers: np.ndarray) -> np.ndarray:
    """Return colours `[H, W, 3]` of RGBA `[H, W, 4]`, with paper where it is transparent.

    Either all that is opaque is ink, and the paper is its contrary; or paper was cut out, and its
    own colour goes on around it.
    """
    alpha = layers[..., 3:]
    opaque = alpha[..., 0] > OPAQUE
    if not opaque.any():
        return np.ones_like(layers[..., :3])
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    box = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    colours = layers[..., :3][opaque]
    low, high = np.quantile(colours.mean(axis=1), [0.02, 0.98])
    is_ink = box.mean() < 0.5 or high - low < 0.2
    paper = np.round(1 - colours.mean()) if is_ink else np.median(colours, axis=0)
    return (layers[..., :3] * alpha + paper * (1 - alpha)).astype(np.float32)
