"""Kinds of pictures and models that people bring: prepared as in training, right or refused."""

from pathlib import Path

import numpy as np
import pytest

from src.config.settings import Tracking
from src.data.digits import Digits
from src.inference.recogniser import load_recogniser
from src.pictures.form import measure_form
from src.pictures.reading import picture_from_array
from tests.data.tables import as_text, digit_rows, drawn, write, write_pictures
from tests.inference.conftest import recognise
from tests.plans import QUICK, plan_of, stored_runs, train_plan

pytestmark = pytest.mark.long

N = 80


def framed(page, kind):
    """Return a page with a dark edge, a frame, the box of a form or a line under the digit."""
    page = page.copy()
    side = len(page)
    if kind.startswith("edge"):
        page[:, :8] = 10
    if kind == "edges":
        page[:8] = 10
    if kind.startswith("frame"):
        width = int(kind.removeprefix("frame "))
        inner = page[width:-width, width:-width].copy()
        page[:] = 20
        page[width:-width, width:-width] = inner
    if kind == "box":
        page[14:16, 14 : side - 14] = page[side - 16 : side - 14, 14 : side - 14] = 120
        page[14 : side - 14, 14:16] = page[14 : side - 14, side - 16 : side - 14] = 120
    if kind == "underline":
        page[222:225, 20:220] = 60
    return page


def train_into(folder: Path, *overrides: str):
    plan = plan_of(*QUICK, f"tracking.folder={folder}/mlruns", *overrides)
    result = train_plan(plan, evaluate_on_test_set=False)
    tracking = Tracking(folder=folder / "mlruns")
    return load_recogniser(stored_runs(tracking), model=result.run_id)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a model of 8 x 8 digits."""
    return train_into(tmp_path_factory.mktemp("small"), "trainer.max_epochs=25")


KINDS = ("paper", "edge", "edges", "frame 2", "frame 6", "box", "underline")


def test_of_the_answers_to_any_kind_of_picture_98_percent_are_right(small):
    test = Digits().load_test().take(np.arange(N))
    right = {}
    for kind in KINDS:
        pages = [framed(drawn(image[0]), kind) for image in test.pixels]
        answers = [recognise(small, picture_from_array(page)) for page in pages]
        labels = [small.predictor.class_names[k] for k in test.labels]
        pairs = list(zip(answers, labels, strict=True))
        right[kind] = [a.label == label for a, label in pairs if a.label is not None]
        assert np.mean([a.best == label for a, label in pairs]) >= 0.85, kind
    given = [answer for answers in right.values() for answer in answers]
    assert np.mean(given) >= 0.98, {kind: np.mean(values) for kind, values in right.items()}
    assert len(given) >= 0.5 * N * len(KINDS)


def test_ink_that_hangs_to_an_edge_is_refused(small):
    page = drawn(Digits().load().validation.pixels[0, 0])
    page[:8] = 20
    page[:80, 118:126] = 20
    assert recognise(small, picture_from_array(page)).status == "touches a frame"


def test_the_form_is_measured_and_kept_with_the_run(small):
    form = small.calibration.form
    assert (form.paper, form.ink, form.by_mass) == (0, 255, False)
    assert form.sides is not None
    assert form.sides[0] == pytest.approx(8, abs=0.1)
    assert "of 359 validation images made into pictures" in small.rule


def test_the_form_of_mnist_is_what_its_makers_made(digits):
    form = measure_form(digits.pixels, digits.labels, num_classes=10)
    assert form.longer == pytest.approx(20, abs=0.2)
    assert form.centre == pytest.approx((14.5, 14.5), abs=0.1)
    assert form.by_mass
    assert form.sides is None
    assert (form.paper, form.ink, form.is_binary) == (0, 255, False)


def test_a_model_of_dark_ink_reads_its_own_images_and_drawings(tmp_path):
    rows = digit_rows()
    rows[:, 1:] = 255 - rows[:, 1:]
    path = write(tmp_path / "dark.csv", as_text(rows))
    recogniser = train_into(
        tmp_path, "data=csv", f"data.path='{path}'", "data.label=0", "trainer.max_epochs=15"
    )
    assert recogniser.calibration.form.ink < recogniser.calibration.form.paper
    images = rows[:N, 1:].reshape(-1, 8, 8).astype(np.uint8)
    labels = [str(label) for label in rows[:N, 0]]
    for pictures in (images, 255 - images, [drawn(255 - image) for image in images]):
        best = [recognise(recogniser, picture_from_array(image)).best for image in pictures]
        assert np.mean(np.array(best) == labels) >= 0.9


def test_a_folders_model_prepares_pictures_as_its_source_did(tmp_path):
    path = write_pictures(tmp_path / "photos", count=300, tiny=False)
    recogniser = train_into(tmp_path, "data=folder", f"data.path='{path}'", "trainer.max_epochs=10")
    rows = digit_rows(300)
    seen = [
        recogniser.prepare(picture_from_array(drawn(row[1:].reshape(8, 8).astype(np.uint8))))
        for row in rows
    ]
    plan = plan_of("data=folder", f"data.path='{path}'")
    images, _ = plan.data.build().read_pool()
    assert {image.pixels.tobytes() for image in seen} == {
        image.tobytes() for image in images.pixels
    }
