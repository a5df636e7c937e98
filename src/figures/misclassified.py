"""The images a model is most sure about and wrong, and those that only one of two gets right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.figures.canvas import class_labels, text_width, trimmed
from src.figures.sheet import Tile, Words, enlarged, in_rows, sheet
from src.figures.style import INK, MUTED, VERMILLION, save_picture

MAX_SHOWN = 50
COLUMNS = 10
NARROW_COLUMNS = 5  # of two sheets beside each other
TILE = 84


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
    shown = _surest(wrong, confidences)
    pairs = [(labels[i], predictions[i]) for i in shown]
    tiles = _tiles(pixels[shown], pairs, confidences[shown], class_names)
    which = "all of them" if len(shown) == len(wrong) else f"the {len(shown)} most confident"
    title = f"{len(wrong):,} of {len(labels):,} images are wrong ({len(wrong) / len(labels):.2%})"
    note = f"Shown: {which}; true → predicted, and the probability given to the prediction."
    if not tiles:
        title, note = f"None of {len(labels):,} images is wrong", "There is nothing to show."
    save_picture(sheet(in_rows(tiles, columns=COLUMNS), title=title, note=note), path)


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
    image: true → the other's prediction, its confidence. pixels, labels: as in
    `draw_misclassified`.
    """
    alone = np.flatnonzero((right == labels) & (wrong != labels))
    shown = _surest(alone, confidences)
    pairs = [(labels[i], wrong[i]) for i in shown]
    tiles = _tiles(pixels[shown], pairs, confidences[shown], class_names)
    who, other = (trimmed(name, size=15, width=200) for name in names)
    title = f"Only {who} is right: {len(alone):,} images ({len(alone) / len(labels):.2%})"
    what = f"{other}'s surest mistakes first" if len(shown) < len(alone) else "all of them"
    note = f"Shown: {what}; true → what {other} says, and how surely." if tiles else "None to show."
    save_picture(sheet(in_rows(tiles, columns=NARROW_COLUMNS), title=title, note=note), path)


def _surest(images: np.ndarray, confidences: np.ndarray) -> np.ndarray:
    return images[np.argsort(-confidences[images], kind="stable")][:MAX_SHOWN]


def _tiles(
    pixels: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    confidences: np.ndarray,
    class_names: Sequence[str],
) -> list[Tile]:
    """Return images; under them "true → predicted", on one line if that fits under all of them."""
    names = class_labels(class_names, width=120)
    in_one = all(text_width(f"{names[true]} → {names[found]}") <= TILE for true, found in pairs)
    tiles = []
    for image, (true, found), confidence in zip(pixels, pairs, confidences, strict=True):
        lines: list[Words] = [(names[true], INK), (f"→ {names[found]}", VERMILLION)]
        if in_one:
            lines = [(f"{names[true]} → {names[found]}", INK)]
        # 99.96 % is not certainty: it is not rounded up to 100.0 %
        percent = f"{np.floor(1000 * confidence) / 10:.1f} %"
        tiles.append(Tile(enlarged(image, tile_px=TILE), [*lines, (percent, MUTED)]))
    return tiles
