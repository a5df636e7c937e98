"""Picture files of every kind are read, and those that cannot be are told in one line."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from src.pictures.form import mnist_form
from src.pictures.preparation import prepare
from src.pictures.reading import PictureError, is_table, picture_files, read_picture


@pytest.fixture
def seven():
    image = Image.new("L", (90, 120), 255)
    ImageDraw.Draw(image).line((20, 20, 70, 20, 40, 100), fill=0, width=9)
    return image


def seen(path):
    return prepare(read_picture(path), mnist_form(28, 28)).pixels.astype(int)


def test_the_same_picture_is_seen_in_every_format_and_mode(seven, tmp_path):
    seven.save(tmp_path / "l.png")
    expected = seen(tmp_path / "l.png")
    wide = Image.fromarray(np.asarray(seven).astype(np.uint16) * 257)
    alpha = Image.new("LA", seven.size)
    alpha.putalpha(Image.fromarray(255 - np.asarray(seven)))
    for name, image in {
        "rgb.png": seven.convert("RGB"),
        "palette.png": seven.convert("P"),
        "one_bit.png": seven.convert("1"),
        "sixteen_bits.png": wide,
        "twelve_of_them.png": Image.fromarray((65_535 - np.asarray(wide)) // 16),
        "la.png": alpha,
        "rgba.png": alpha.convert("RGBA"),
        "cmyk.jpg": seven.convert("CMYK"),
        "l.jpg": seven,
        "l.bmp": seven,
        "l.gif": seven,
        "l.webp": seven,
        "l.tif": seven,
        "float.tif": Image.fromarray(np.asarray(seven, dtype=np.float32) / 255),
        "l.pgm": seven,
    }.items():
        image.save(tmp_path / name)
        assert np.abs(seen(tmp_path / name) - expected).mean() < 4, name


def test_a_photo_is_turned_upright(seven, tmp_path):
    seven.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate 90 degrees clockwise to view"
    seven.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.png", exif=exif)
    difference = seen(tmp_path / "photo.png") - seen(tmp_path / "upright.png")
    assert np.abs(difference).mean() < 1


def test_paper_that_was_cut_out_keeps_its_colour(seven, tmp_path):
    seven.save(tmp_path / "whole.png")
    cut = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    cut.paste(seven.convert("RGBA"), (50, 40))
    cut.save(tmp_path / "cut.png")
    assert np.abs(seen(tmp_path / "cut.png") - seen(tmp_path / "whole.png")).mean() < 2


def test_of_an_animation_the_first_frame_is_taken_and_it_is_said(seven, tmp_path):
    blank = Image.new("L", seven.size, 255)
    seven.save(tmp_path / "moving.gif", save_all=True, append_images=[blank, blank.rotate(1)])
    picture = read_picture(tmp_path / "moving.gif")
    assert picture.note.startswith("the first of ")
    assert prepare(picture, mnist_form(28, 28)).problem is None


def bomb(path):
    """Write a PNG that says it has 40,000 x 40,000 pixels, in some hundred bytes."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 1000))]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")]))


def test_what_cannot_be_read_is_told_in_one_line(seven, tmp_path):
    whole = tmp_path / "whole.png"
    seven.save(whole)
    (tmp_path / "truncated.png").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "script.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    bomb(tmp_path / "bomb.png")
    for name, words in {
        "truncated.png": "cannot be read",
        "text.png": "is not a picture",
        "empty.png": "is not a picture",
        "script.eps": "is not a picture",
        "bomb.png": "more than",
        "missing.png": "no such file",
    }.items():
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
        [line] = str(caught.value).splitlines()
        assert line.startswith(f"{tmp_path / name}: ")
        assert words in line


def test_a_folder_stands_for_the_pictures_in_it_and_in_its_sub_folders(seven, tmp_path):
    for name in ("empty", "inner", ".thumbnails"):
        (tmp_path / name).mkdir()
    for name in ("b.png", "a.JPG", "notes.txt", "inner/c.png", ".thumbnails/b.png", "._a.jpg"):
        seven.save(tmp_path / name, format="PNG")
    found = picture_files([tmp_path, tmp_path / "missing.png"])
    assert [f.name for f in found] == ["a.JPG", "b.png", "c.png", "missing.png"]
    with pytest.raises(PictureError, match="no pictures"):
        picture_files([tmp_path / "empty"])


ROW = "5,0,0,12\n"
TABLES = {
    "t.csv": ROW,
    "one_column.csv": "5\n",
    "blanks.txt": ROW.replace(",", " "),
    "pipes": ROW.replace(",", "|"),
    "semicolons": ROW.replace(",", ";"),
    "begins_blank": "\n\n" + ROW,
}
NO_TABLES = {
    "drawing.svg": '<svg viewBox="0 0 9 9"><path d="M 0,0 L 9,9"/></svg>',
    "script.eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "digit.png": ROW,
    "word": "hello",
}


def test_tables_and_pictures_are_told_apart(tmp_path):
    for name, text in (TABLES | NO_TABLES).items():
        (tmp_path / name).write_text(text)
    assert [name for name in TABLES if not is_table(tmp_path / name)] == []
    assert [name for name in NO_TABLES if is_table(tmp_path / name)] == []
    assert not is_table(tmp_path / "missing.csv")
