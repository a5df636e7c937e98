"""The page that needs no server: the same answers as PyTorch, and the same preparation."""

import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch

from src.config.settings import Tracking
from src.data.mnist import Mnist
from src.errors import ConfigError
from src.inference.recogniser import load_recogniser
from src.inference.standalone import export_page
from src.models.predictor import Predictor
from src.pictures.preparation import prepare
from src.pictures.reading import read_picture
from tests.inference.test_page import STROKES, draw
from tests.plans import plan_of, stored_runs, train_plan

DRAWN = 200
LABELS = """text => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0)), labels = [];
    for (let at = 0; at < bytes.length; at += MODEL.form.width * MODEL.form.height) {
        const given = probabilities(bytes.subarray(at, at + MODEL.form.width * MODEL.form.height));
        labels.push(given.indexOf(Math.max(...given)));
    }
    return labels;
}"""
DRAW = """strokes => {
    const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
    canvas.width = canvas.height = 280;
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, 280, 280);
    pen.lineWidth = 20;
    pen.lineCap = pen.lineJoin = 'round';
    for (const stroke of strokes) {
        pen.beginPath();
        for (const [x, y] of stroke) pen.lineTo(x, y);
        pen.stroke();
    }
    const { data } = pen.getImageData(0, 0, 280, 280);
    const grey = Float64Array.from({ length: 280 * 280 }, (_, i) => data[4 * i] / 255);
    const began = performance.now();
    const answer = recognise(grey, 280, 280);
    return {
        took: performance.now() - began, picture: canvas.toDataURL(),
        pixels: [...answer.pixels], problem: answer.problem, digits: answer.digits,
    };
}"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "digits.html"
    export_page(trained.champion, path)
    return path


@pytest.fixture(scope="module")
def page(exported, chromium):
    """Open the file on a phone; at the end nothing has gone wrong, and nobody was asked."""
    opened = chromium.new_page(viewport={"width": 390, "height": 800}, has_touch=True)
    errors, asked = [], []
    opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(exported.as_uri())
    opened.wait_for_selector("#answers [data-status=waiting]")
    yield opened
    opened.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_every_test_image_gets_the_label_that_pytorch_gives(page, trained):
    pixels = Mnist().load_test().pixels
    labels = page.evaluate(LABELS, base64.b64encode(pixels.tobytes()).decode())
    expected = trained.champion.predictor.predict(pixels).argmax(axis=1)
    assert len(labels) == 10_000
    assert np.array_equal(labels, expected)


def test_drawings_are_prepared_as_the_program_does(page, trained):
    rng, form = np.random.default_rng(0), trained.champion.calibration.form
    differences, took = [], []
    for number in range(DRAWN):
        digit = [*STROKES][number % len(STROKES)]
        found = page.evaluate(DRAW, _varied(STROKES[digit], rng))
        took.append(found["took"])
        encoded = found["picture"].partition(",")[2]
        own = prepare(read_picture(BytesIO(base64.b64decode(encoded))), form)
        assert (found["problem"], found["digits"]) == (own.problem, own.digits)
        pixels = np.reshape(found["pixels"], own.pixels.shape)
        differences.append(np.abs(pixels - own.pixels.astype(int)).max())
    assert max(differences) <= 2
    assert min(took) < 5  # milliseconds; the least, when no other program wants the processor


def _varied(strokes, rng):
    """Return strokes of points in canvas pixels, each digit in another size, slant and place."""
    turn = np.eye(2) + rng.normal(0, 0.12, (2, 2))
    size, place = rng.uniform(0.4, 2.6), rng.uniform(-25, 25, 2)
    return [
        [
            (((np.array([*map(float, p.split(","))]) - 50) @ turn) * size + 140 + place).tolist()
            for p in stroke.split()
        ]
        for stroke in strokes
    ]


def test_it_is_drawn_on_as_the_app_is(page, exported):
    for digit in STROKES:
        page.locator("#pad canvas").scroll_into_view_if_needed()
        draw(page, digit)
        assert page.locator("#answers .answer").get_attribute("data-status") == "recognised"
        assert page.locator("#answers .label").inner_text() == digit
        assert page.locator(".bars .best").inner_text().startswith(digit)
        page.click("#pad .clear")
        page.wait_for_selector("#answers [data-status=waiting]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert exported.stat().st_size < 1_500_000


def test_nothing_is_overwritten(exported, trained):
    with pytest.raises(ConfigError, match="is there already"):
        export_page(trained.champion, exported)


def test_batch_norm_another_activation_and_an_odd_name_do_as_well(chromium, tmp_path):
    lines = ("data=digits", "model.hidden_sizes=[16]", "model.batch_norm=true")
    plan = plan_of(
        *lines,
        "model.activation=gelu",
        "trainer.max_epochs=2",
        "name='</script>'",
        f"tracking.folder={tmp_path}/mlruns",
    )
    run_id = train_plan(plan).run_id
    recogniser = load_recogniser(stored_runs(Tracking(folder=tmp_path / "mlruns")), model=run_id)
    path = tmp_path / "small.html"
    export_page(recogniser, path)
    page = chromium.new_page()
    page.goto(path.as_uri())
    pixels = np.random.default_rng(1).integers(0, 256, (50, 1, 8, 8), np.uint8)
    given = page.evaluate(
        "rows => rows.map(row => probabilities(row))", pixels.reshape(50, 64).tolist()
    )
    page.close()
    assert np.abs(given - recogniser.predictor.predict(pixels)).max() < 2e-3


def test_a_convolution_is_refused(trained):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.Flatten())
    predictor = Predictor(model, loss="softmax", class_names=("0", "1"), image_shape=(1, 28, 28))
    with pytest.raises(ConfigError, match="Conv2d, which a page cannot compute"):
        export_page(replace(trained.champion, predictor=predictor), trained.folder / "no.html")
    assert not (trained.folder / "no.html").exists()
