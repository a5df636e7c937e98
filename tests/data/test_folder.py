"""Folders of pictures become images, a class a sub-folder."""

import os
import platform
import pty
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from src.data.folder import Folder
from src.errors import DataError
from tests.conftest import environment
from tests.data.tables import digit_rows, write_pictures


def test_small_pictures_of_one_size_are_taken_as_they_are(tmp_path):
    path = write_pictures(tmp_path / "photos", count=60)
    images, names = Folder(path=path).read_pool()
    assert names == tuple("0123456789")
    rows = digit_rows(60)
    expected = {(int(row[0]), row[1:].astype(np.uint8).tobytes()) for row in rows}
    pairs = zip(images.labels.tolist(), images.pixels, strict=True)
    assert {(label, image.tobytes()) for label, image in pairs} == expected


def test_pictures_of_any_kind_are_brought_to_one_form(tmp_path):
    path = write_pictures(tmp_path / "photos", count=30, tiny=False)
    source = Folder(path=path)
    images, _ = source.read_pool()
    assert images.pixels.shape == (30, 1, 28, 28)
    assert source.form is not None
    assert all("ink found" in note for note in source.notes)
    for image in images.pixels[:, 0]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in {19, 20}
    assert Folder(path=path, size=16).read_pool()[0].pixels.shape == (30, 1, 16, 16)


def test_labels_can_stand_in_a_table(tmp_path):
    nested = write_pictures(tmp_path / "nested", count=20)
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = ["file,label"]
    for file in (tmp_path / "nested").rglob("*.png"):
        file.rename(flat / file.name)
        lines.append(f"{file.name},{file.parent.name}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    images, names = Folder(path=str(flat), classes=str(tmp_path / "labels.csv")).read_pool()
    assert (len(images), names) == (20, tuple("0123456789"))
    (tmp_path / "labels.csv").write_text("\n".join(lines).replace(",", ";"))
    images, _ = Folder(path=str(flat), classes=str(tmp_path / "labels.csv")).read_pool()
    assert len(images) == 20
    for text in ("0.png,0\nmissing.png,1\n", "missing.png,1\n0.png,0\n"):
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(DataError, match=r"missing.png,1: every row must be a file"):
            Folder(path=str(flat), classes=str(tmp_path / "labels.csv")).read_pool()
    with pytest.raises(DataError, match=r"it needs one for each of at least two classes"):
        Folder(path=nested).read_pool()


def test_what_cannot_be_read_is_listed_and_left_out_only_if_asked(tmp_path):
    path = write_pictures(tmp_path / "photos", count=30)
    (tmp_path / "photos" / "0" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        Folder(path=path).read_pool()
    assert "broken.png: is not a picture" in str(caught.value)
    assert "1 of 31 pictures cannot be read" in str(caught.value)
    source = Folder(path=path, skip_unreadable=True)
    assert len(source.read_pool()[0]) == 30
    assert "1 unreadable left out" in source.notes[0]


def test_a_folder_that_is_not_there_is_said_with_the_machine_that_lacks_it(tmp_path):
    with pytest.raises(DataError, match=f"no such folder on {platform.node()}.*other machines"):
        Folder(path=str(tmp_path / "photos")).load()


def test_of_large_pictures_the_small_images_alone_are_kept(tmp_path):
    path = write_pictures(tmp_path / "photos", count=30)
    expected = Folder(path=path, size=28).read_pool()[0].pixels
    side = 400
    for file in (tmp_path / "photos").rglob("*.png"):
        Image.open(file).resize((side, side), Image.Resampling.NEAREST).save(file)
    tracemalloc.start()
    images, _ = Folder(path=path).read_pool()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert images.pixels.shape == expected.shape
    assert peak < 30 * side * side * 3 * 4 / 2


def test_small_pictures_before_one_of_another_size_are_prepared_like_it(tmp_path):
    path = write_pictures(tmp_path / "photos", count=30)
    expected = Folder(path=path, size=28).read_pool()[0].pixels
    Image.new("L", (9, 9)).save(tmp_path / "photos" / "9" / "zz.png")
    source = Folder(path=path)
    images, _ = source.read_pool()
    np.testing.assert_array_equal(images.pixels[:30], expected)
    assert "1 pictures have no ink" in source.notes[-1]


def test_where_no_picture_can_be_read_it_is_said(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        Folder(path=str(tmp_path), skip_unreadable=True).load()
    assert caught.value.problems[-1].endswith("2 of 2 pictures cannot be read")


def test_hidden_files_are_no_pictures_and_a_picture_a_class_is_too_few(tmp_path):
    path = write_pictures(tmp_path / "photos", count=10)
    (tmp_path / "photos" / "0" / "._0.png").write_bytes(b"what another system keeps beside a file")
    assert len(Folder(path=path).read_pool()[0]) == 10
    with pytest.raises(DataError, match=r"of 10 images none is left for it"):
        Folder(path=path).load()


def test_a_person_who_waits_for_many_pictures_sees_how_far_it_is(tmp_path):
    path = write_pictures(tmp_path / "photos", count=30, tiny=False)
    code = "import sys; from src.data.folder import Folder; Folder(path=sys.argv[1]).read_pool()"
    command = [sys.executable, "-c", code, path]
    ours, theirs = pty.openpty()
    subprocess.run(command, stderr=theirs, env=environment(), check=True)
    assert b"reading pictures" in os.read(ours, 10_000)
    for end in (ours, theirs):
        os.close(end)
    piped = subprocess.run(command, capture_output=True, env=environment(), check=True)
    assert piped.stderr == b""
