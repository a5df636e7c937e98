"""The page that needs no server: the same answers as PyTorch, and the same preparation."""

import base64
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from torch import nn

from src.config.settings import Tracking
from src.data.digits import Digits
from src.data.mnist import Mnist
from src.errors import ConfigError, UserError
from src.inference.recogniser import load_recogniser
from src.inference.standalone import export_page
from src.models.predictor import Predictor
from src.pictures.preparation import prepare
from src.pictures.reading import picture_from_array, read_picture
from tests.inference.test_page import STROKES, draw
from tests.plans import plan_of, stored_runs, train_plan

pytestmark = pytest.mark.long

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


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a model of 8 x 8 digits with batch norm, another activation and an odd name."""
    folder = tmp_path_factory.mktemp("small")
    lines = ("data=digits", "model.hidden_sizes=[16]", "model.batch_norm=true")
    plan = plan_of(
        *lines,
        "model.activation=gelu",
        "trainer.max_epochs=2",
        "name='</script>'",
        f"tracking.folder={folder}/mlruns",
    )
    run_id = train_plan(plan).run_id
    return load_recogniser(stored_runs(Tracking(folder=folder / "mlruns")), model=run_id)


@contextmanager
def opened(recogniser, chromium, path):
    """Export a model and open its page."""
    said = export_page(recogniser, path)
    images = f"{len(recogniser.calibration.images):,}"
    assert f"on {images} validation images the largest difference of a probability" in said
    page = chromium.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


def test_batch_norm_another_activation_and_an_odd_name_do_as_well(small, chromium, tmp_path):
    with opened(small, chromium, tmp_path / "small.html") as page:
        assert largest_difference(small, page) < 2e-3


def largest_difference(recogniser, page):
    """Return how far the page's probabilities are from PyTorch's on pixels at random."""
    pixels = np.random.default_rng(1).integers(0, 256, (50, 1, 8, 8), np.uint8)
    rows = pixels.reshape(50, 64).tolist()
    given = page.evaluate("rows => rows.map(row => probabilities(row))", rows)
    return np.abs(given - recogniser.predictor.predict(pixels)).max()


def test_a_picture_of_the_training_images_size_is_left_as_it_is(small, chromium, tmp_path):
    images = Digits().load_test().pixels[:20, 0]
    form = small.calibration.form
    blank = np.full((8, 8), 7, np.uint8)
    with opened(small, chromium, tmp_path / "small.html") as page:
        for image in (*images, *(255 - images), blank):
            own = prepare(picture_from_array(image), form)
            grey = (image.flatten() / 255).tolist()
            found = page.evaluate(
                "grey => { const { pixels, problem } = prepare(Float64Array.from(grey), 8, 8, "
                "MODEL.form); return [[...pixels], problem]; }",
                grey,
            )
            assert found == [own.pixels.flatten().tolist(), own.problem]


def network(*parts):
    """Return a predictor of 8 x 8 images with some weights, as trained."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), *parts)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            nn.init.uniform_(part.running_mean, -1, 1)
            nn.init.uniform_(part.running_var, 0.5, 2)
    names = tuple("0123456789")
    return Predictor(model, loss="softmax", class_names=names, image_shape=(1, 8, 8))


SHARED = nn.ReLU()
COMPUTED = {
    "an activation used twice": [
        *(nn.Linear(64, 30), SHARED, nn.Linear(30, 20), SHARED, nn.Linear(20, 10))
    ],
    "nested": [nn.Sequential(nn.Linear(64, 30), nn.Tanh()), nn.Identity(), nn.Linear(30, 10)],
    "a norm without weights": [
        *(nn.Linear(64, 30), nn.BatchNorm1d(30, affine=False), nn.SiLU(), nn.Linear(30, 10))
    ],
}
REFUSED = {
    "BatchNorm1d(.*) behind relu": [
        *(nn.Linear(64, 30), nn.ReLU(), nn.BatchNorm1d(30), nn.Linear(30, 10))
    ],
    "LeakyReLU.negative_slope=0.2": [nn.Linear(64, 30), nn.LeakyReLU(0.2), nn.Linear(30, 10)],
    "GELU.approximate=.tanh": [nn.Linear(64, 30), nn.GELU("tanh"), nn.Linear(30, 10)],
    "Tanh.. behind relu": [nn.Linear(64, 30), nn.ReLU(), nn.Tanh(), nn.Linear(30, 10)],
    "ReLU": [nn.ReLU(), nn.Linear(64, 10)],
    "differ from PyTorch's by up to nan": [nn.Linear(64, 30), nn.Linear(30, 10)],
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_layers_are_computed_in_the_order_of_the_model(small, chromium, tmp_path, kind):
    own = replace(small, predictor=network(*COMPUTED[kind]))
    with opened(own, chromium, tmp_path / "own.html") as page:
        assert largest_difference(own, page) < 2e-3


@pytest.mark.parametrize("said", REFUSED)
def test_what_the_page_would_compute_otherwise_is_refused(small, tmp_path, said):
    predictor = network(*REFUSED[said])
    if "nan" in said:  # beyond half precision
        nn.init.constant_(predictor.model[1].weight, 1e6)
    with pytest.raises(UserError, match=said):
        export_page(replace(small, predictor=predictor), tmp_path / "no.html")
    assert list(tmp_path.iterdir()) == []


def test_a_convolution_is_refused(trained):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.Flatten())
    predictor = Predictor(model, loss="softmax", class_names=("0", "1"), image_shape=(1, 28, 28))
    with pytest.raises(ConfigError, match=r"Conv2d\(.*\), which a page cannot compute"):
        export_page(replace(trained.champion, predictor=predictor), trained.folder / "no.html")
    assert not (trained.folder / "no.html").exists()
