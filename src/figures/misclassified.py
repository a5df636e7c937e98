"""The images a model is most sure about and wrong, and those that only one of two gets right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from src.figures.canvas import blank, enlarged, save_picture, text_width, trimmed, write
from src.figures.style import INK, MUTED, VERMILLION

MOST_SHOWN = 50
COLUMNS = 10
NARROW_COLUMNS = 5  # of two sheets beside each other
TILE = 84
LINE = 15
TEXT_SIZE = 11
LONGEST_NAME = 120
MARGIN = 12
GAP = 10
HEADER = 58


def draw_misclassified(
    pixels: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidences: np.ndarray,
    *,
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draw up to 50 wrongly classified images, the most confident first, as a PNG at `path`.

    pixels: uint8 `[N, C, H, W]`. labels, predictions: int64 `[N]`. confidences: float `[N]`,
    the probability of the prediction, 0..1. Under each image: true → predicted, confidence.
    """
    wrong = np.flatnonzero(labels != predictions)
    shown = wrong[np.argsort(-confidences[wrong], kind="stable")][:MOST_SHOWN]
    names = [trimmed(name, size=TEXT_SIZE, width=LONGEST_NAME) for name in class_names]
    captions = _captions([(names[labels[i]], names[predictions[i]]) for i in shown])
    for caption, index in zip(captions, shown, strict=True):
        caption.append(_percent(confidences[index]))
    heading, note = _words(len(wrong), len(shown), total=len(labels))
    tiles = [_tile(pixels[index]) for index in shown]
    save_picture(_sheet(tiles, captions, heading=heading, note=note), path)


def draw_only_one_right(
    pixels: np.ndarray,
    labels: np.ndarray,
    right: np.ndarray,
    wrong: np.ndarray,
    confidences: np.ndarray,
    *,
    names: tuple[str, str],
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draw up to 50 images that one model alone gets right, as a PNG at `path`.

    right, wrong: int64 `[N]`, the predictions of the model that is right and of the other, by
    `names`; confidences: float `[N]`, the other's, whose surest mistakes come first. Under each
    image: true → the other's prediction. pixels, labels: as in `draw_misclassified`.
    """
    alone = np.flatnonzero((right == labels) & (wrong != labels))
    shown = alone[np.argsort(-confidences[alone], kind="stable")][:MOST_SHOWN]
    short = [trimmed(name, size=TEXT_SIZE, width=LONGEST_NAME) for name in class_names]
    captions = _captions([(short[labels[i]], short[wrong[i]]) for i in shown])
    share = f"{100 * len(alone) / len(labels):.2f} %"
    who, other = (trimmed(name, size=15, width=200) for name in names)
    what = f"{other}'s surest mistakes first" if len(shown) < len(alone) else "all of them"
    save_picture(
        _sheet(
            [_tile(pixels[index]) for index in shown],
            captions,
            heading=f"Only {who} is right: {len(alone):,} images ({share})",
            note=f"Shown: {what}; true → what {other} says." if len(alone) else "None to show.",
            columns=NARROW_COLUMNS,
        ),
        path,
    )


def _captions(pairs: list[tuple[str, str]]) -> list[list[str]]:
    """Return "true → predicted" for each pair, on one line if that fits under all tiles."""
    in_one = [f"{true} → {predicted}" for true, predicted in pairs]
    if all(text_width(line, size=TEXT_SIZE) <= TILE for line in in_one):
        return [[line] for line in in_one]
    return [[true, f"→ {predicted}"] for true, predicted in pairs]


def _percent(confidence: float) -> str:
    # 99.96 % is not certainty: do not round it up to 100.0 %
    return f"{np.floor(1000 * confidence) / 10:.1f} %"


def _words(num_wrong: int, num_shown: int, *, total: int) -> tuple[str, str]:
    if num_wrong == 0:
        return f"None of {total:,} images is wrong", "There is nothing to show."
    share = f"{100 * num_wrong / total:.2f} %"
    which = "all of them" if num_shown == num_wrong else f"the {num_shown} most confident"
    return (
        f"{num_wrong:,} of {total:,} images are wrong ({share})",
        f"Shown: {which}; true → predicted, and the probability given to the prediction.",
    )


def _tile(pixels: np.ndarray) -> Image.Image:
    """Return one image, uint8 `[C, H, W]`, enlarged; colours if C is 3, else mean grey."""
    channels = pixels if len(pixels) == 3 else np.repeat(pixels.mean(axis=0)[None], 3, axis=0)
    rgb = channels.transpose(1, 2, 0).astype(np.uint8)
    return Image.fromarray(enlarged(rgb, zoom=max(1, TILE // max(rgb.shape[:2]))))


def _sheet(
    tiles: list[Image.Image],
    captions: list[list[str]],
    *,
    heading: str,
    note: str,
    columns: int = COLUMNS,
) -> Image.Image:
    words = [text_width(line, size=TEXT_SIZE) for caption in captions for line in caption]
    step_x = max([0, *words, *(tile.width for tile in tiles)]) + GAP
    num_lines = max((len(caption) for caption in captions), default=0)
    step_y = max((tile.height for tile in tiles), default=0) + num_lines * LINE + GAP
    rows = -(-len(tiles) // columns)
    columns = max(1, min(columns, len(tiles)))
    header = max(text_width(heading, size=15, bold=True), text_width(note, size=12))
    image, pen = blank(
        width=2 * MARGIN + max(columns * step_x - GAP, header),
        height=HEADER + rows * step_y + MARGIN,
    )
    write(pen, (MARGIN, 8), heading, size=15, bold=True)
    write(pen, (MARGIN, 32), note, colour=MUTED)
    for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x = MARGIN + place % columns * step_x
        y = HEADER + place // columns * step_y
        image.paste(tile, (x, y))
        colours = (INK, VERMILLION, MUTED) if len(caption) == 3 else (INK, MUTED)
        for row, (line, colour) in enumerate(zip(caption, colours, strict=False)):
            at = (x, y + tile.height + 4 + row * LINE)
            write(pen, at, line, size=TEXT_SIZE, colour=colour)
    return image
