"""The grid of all figures, and words in it: aligned, whole, and drawn in any script."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.figures.canvas import UNKNOWN, class_labels, drawable, text_width, trimmed
from src.figures.confusion import draw_confusion_matrix
from src.figures.curves import draw_learning_curves
from src.figures.sheet import GAP, HEADER, LINE, MARGIN, Tile, caption, enlarged, sheet

INK = "#222222"


def square(grey: int, *, side: int = 20) -> Image.Image:
    return Image.new("RGB", (side, side), (grey, grey, 0))  # no grey of a letter


def corner_of(page: Image.Image, grey: int) -> tuple[int, int]:
    """Return the left and top end of a square."""
    rows, columns = np.nonzero((np.asarray(page) == (grey, grey, 0)).all(axis=2))
    return int(columns.min()), int(rows.min())


def test_tiles_stand_in_columns_and_rows_as_wide_and_high_as_the_largest() -> None:
    small, large = square(100), square(150, side=60)
    page = sheet([[Tile(small), Tile(large)], [Tile(square(50, side=40)), Tile(square(80))]])
    assert corner_of(page, 100) == (MARGIN + 10, MARGIN)
    assert corner_of(page, 150) == (MARGIN + 40 + GAP, MARGIN)
    assert corner_of(page, 50) == (MARGIN, MARGIN + 60 + GAP)
    assert corner_of(page, 80) == (MARGIN + 40 + GAP + 20, MARGIN + 60 + GAP)


def test_words_widen_their_column_and_are_not_clipped() -> None:
    words = "rather more words than the picture is wide"
    page = sheet([[Tile(square(100), [(words, INK)]), Tile(square(150))]], title="t", note="n")
    assert corner_of(page, 150)[0] >= MARGIN + text_width(words) + GAP
    assert corner_of(page, 100)[1] == HEADER
    below = np.asarray(page)[HEADER + 20 : HEADER + 20 + LINE]
    columns = np.flatnonzero((below < 128).any(axis=(0, 2)))
    assert np.ptp(columns) == pytest.approx(text_width(words), abs=4)


def test_an_empty_sheet_still_says_its_title() -> None:
    page = np.asarray(sheet([], title="None of 10 images is wrong", note="Nothing to show."))
    assert (page < 100).any()
    assert (page[:, -1] == 255).all()


def test_a_caption_stands_in_the_middle_of_its_row() -> None:
    page = np.asarray(sheet([[Tile(square(200, side=90)), caption("xxxx")]]))
    rows = np.nonzero((page < 90).all(axis=2))[0]
    assert rows.mean() == pytest.approx(MARGIN + 45, abs=4)


def test_enlarging_keeps_every_pixel_and_frames_it() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 2, 3) * 40
    large = np.asarray(enlarged(pixels, tile_px=30))
    assert large.shape == (22, 32, 3)
    np.testing.assert_array_equal(large[1:-1, 1:-1, 0][5::10, 5::10], pixels[0])


def test_names_in_other_scripts_are_drawn_and_what_the_font_lacks_is_a_box() -> None:
    names = ["ж", "ω", "ع", "ü", "お", "", "お a", "$x$ y"]
    labels = class_labels(names, width=100)
    assert labels == ["ж", "ω", "ع", "ü", "class 4", "class 5", f"{UNKNOWN} a", "$x$ y"]
    assert drawable("two\nlines\t\x00") == f"two lines {UNKNOWN}"


def test_a_name_is_cut_to_its_width() -> None:
    assert trimmed("short", width=100) == "short"
    cut = trimmed("a name much too long for its place", width=100)
    assert cut.endswith("…")
    assert 80 < text_width(cut) <= 100
    assert trimmed("wide", width=2) == ""


@pytest.mark.filterwarnings("error")
def test_charts_of_any_names_are_the_same_bytes_without_a_warning(tmp_path: Path) -> None:
    names = ["ж", "お", "$x$", "a_{", "猫", "T-shirt\nor top"]
    history = [{"train_loss": 2.0, "val_loss": 1.0, "train_accuracy": 0.5, "val_accuracy": 0.6}] * 3
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        counts = np.arange(36).reshape(6, 6)
        draw_confusion_matrix(counts, class_names=names, path=folder / "1.png", title="猫 $")
        draw_learning_curves(history, best_epoch=2, select="best", path=folder / "3.png")
        found.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert found[0] == found[1]
