"""`python -m src.explore` on real data: what it prints and draws."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import python
from tests.data.tables import as_text, write

PICTURES = ("first_nine.png", "class_balance.png", "mean_digit_per_class.png")


@pytest.mark.parametrize(("data", "column"), [("mnist_20k", 72), ("digits", 32)])
def test_it_describes_the_table_and_draws_three_pictures(tmp_path, data, column):
    done = python("-m", "src.explore", f"data={data}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Pixel column {column} " in done.stdout
    assert "test images are not looked at" in done.stdout
    rows = {"mnist_20k": "20,000 rows x 785 columns", "digits": "1,438 rows x 65 columns"}
    assert rows[data] in done.stdout
    for name in PICTURES:
        picture = Image.open(tmp_path / "mlruns" / "explore" / data / name).convert("L")
        darkest, brightest = picture.getextrema()
        assert brightest - darkest > 100, f"{name} is blank"
    assert [p.name for p in tmp_path.iterdir()] == ["mlruns"]


def test_a_pixel_that_is_not_there_is_told_in_one_line(tmp_path):
    done = python("-m", "src.explore", "data=digits", "explore.pixel=65", cwd=tmp_path)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "explore.pixel=65" in line
    assert "1 to 64" in line


def test_of_several_channels_the_channel_is_said(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (30, 48))
    text = as_text(np.column_stack([np.arange(30) % 3, rows]))
    arguments = [f"data.path={write(tmp_path / 't.csv', text)}", "data.image_shape=[3,4,4]"]
    done = python("-m", "src.explore", "data=csv", *arguments, "explore.pixel=23", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Pixel column 23 (row 2, column 3 of channel 2):" in done.stdout
