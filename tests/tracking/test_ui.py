"""What a person sees who opens the MLflow UI: read from its pages in a real browser."""

import json
import time
from base64 import b64decode
from zlib import decompress

import pytest
from mlflow import MlflowClient
from PIL import Image

from docs.record.pictures import IMAGES
from docs.record.screens import MADE_OF, made_of
from src.config.settings import Tracking
from src.tracking.connection import connect
from src.tracking.views import KEY, VIEWS
from tests.conftest import python
from tests.plans import plan_of, train_plan
from tests.tracking.test_store import page as ui

pytestmark = pytest.mark.long

WAIT_MS = 60_000
RUNS_VIEW = "runs?workflowType=machine_learning&viewStateShareKey=runs"
CLOSED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
COLUMNS = """() => [...document.querySelectorAll('[role=columnheader][col-id]')]
    .map(e => [e.getBoundingClientRect().x, e.getAttribute('col-id')])"""
NAMES = """() => [...document.querySelectorAll('[role=gridcell][col-id="attributes.`Run Name`"]')]
    .map(e => [e.getBoundingClientRect().y, (e.querySelector('a') || e).innerText.trim()])"""
HEADINGS = """() => [...document.querySelectorAll('div')].map(e => e.innerText.trim())
    .filter(text => /^[a-z ]+\\s*\\(\\d+\\)$/.test(text)).map(text => text.split(/\\s*\\(/)[0])"""
PICTURES = """() => [...document.querySelectorAll('img[class*=image-img]')].map(e => {
    let top = e.parentElement, box = e.getBoundingClientRect();
    while (getComputedStyle(top).overflowY === 'visible') top = top.parentElement;
    const room = top.getBoundingClientRect();
    return [box.x, box.y, box.width, e.naturalWidth, room.bottom, e.src];
})"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with a linear model and a dense network on two seeds, and their ids."""
    folder = tmp_path_factory.mktemp("seen")
    quick = ("data=digits", "trainer.threads=1", f"tracking.folder={folder}/mlruns")
    lines = (
        ("model=linear", "trainer.max_epochs=4"),
        ("trainer.max_epochs=12", "trainer.batch_size=32"),
        ("trainer.max_epochs=12", "trainer.batch_size=32", "seed=2"),
    )
    return folder, [train_plan(plan_of(*quick, *line)).run_id for line in lines]


@pytest.fixture(scope="module")
def client(runs):
    return MlflowClient(f"sqlite:///{runs[0]}/mlruns/mlflow.db")


def test_the_views_are_kept_with_the_experiment_and_mended(runs, client):
    keys = {KEY + name.lower() for name in VIEWS}
    assert keys <= client.get_experiment("1").tags.keys()
    kept = json.loads(client.get_experiment("1").tags[f"{KEY}runs"])
    state = json.loads(decompress(b64decode(kept["state"].removeprefix("deflate;"))))
    assert state["orderByKey"] == "metrics.`best/val_accuracy`"
    client.delete_experiment_tag("1", f"{KEY}seeds")
    client.set_experiment_tag("1", f"{KEY}runs", "a person's own")
    connect(Tracking(folder=runs[0] / "mlruns"))
    tags = client.get_experiment("1").tags
    assert tags[f"{KEY}runs"] == "a person's own"
    assert keys <= tags.keys()
    client.delete_experiment_tag("1", f"{KEY}runs")
    connect(Tracking(folder=runs[0] / "mlruns"))


def test_models_are_ranked_by_what_they_reach(runs, client):
    order = [{"field_name": "metrics.test/accuracy", "ascending": False}]
    found = client.search_logged_models(["1"], order_by=order)
    reached = [client.get_run(m.source_run_id).data.metrics["test/accuracy"] for m in found]
    assert reached == sorted(reached, reverse=True)
    assert len(reached) == 3
    split = client.get_run(runs[1][0]).data.tags["digest.split"]
    for metric in found[0].metrics:
        assert metric.dataset_name == "digits"
        assert split.startswith(metric.dataset_digest)
    history = client.get_metric_history(runs[1][1], "test/accuracy")
    assert len(history) == 1


def test_a_registered_version_shows_what_it_reaches_and_on_which_images(browser, runs, client):
    folder, [linear, *_] = runs
    done = python("-m", "src.compare", f"promote={linear}", cwd=folder)
    assert done.returncode == 0, done.stderr
    address, page = browser
    page.goto(f"{address}/#/models/digits/versions/1")
    reached = client.get_run(linear).data.metrics["test/accuracy"]
    said = page.get_by_text(f"Test accuracy {reached:.4f} (95 % interval ")
    said.wait_for()
    assert said.inner_text().endswith("on the test images of digits.")
    assert page.get_by_text("on the validation images of digits, split ").count() == 1
    model = page.get_by_role("link", name="The exported model and its metrics")
    page.goto(f"{address}/{model.get_attribute('href')}")
    page.get_by_text("test/accuracy").first.wait_for()
    page = opened(browser, "models?workflowType=machine_learning")
    page.locator("a[href$='/models/digits/versions/1']").wait_for()
    assert page.get_by_role("link", name="linear", exact=True).count() == 1


def test_a_name_that_is_taken_gets_a_number(runs, client):
    line = ("data=digits", "model=linear", "trainer.max_epochs=4", "trainer.threads=1")
    run_id = train_plan(plan_of(*line, f"tracking.folder={runs[0]}/mlruns")).run_id
    assert client.get_run(run_id).info.run_name == "linear epochs 4 digits s1 run 2"
    client.delete_run(run_id)


@pytest.fixture(scope="module")
def browser(runs, chromium):
    place = f"tracking.folder={runs[0]}/mlruns"
    with ui(place, cwd=runs[0]) as address:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(CLOSED)
        yield address, context.new_page()
        context.close()


def opened(browser, path: str):
    address, page = browser
    page.goto("about:blank")
    page.goto(f"{address}/#/{path}" if "?runs=" in path else f"{address}/#/experiments/1/{path}")
    return page


def until(condition):
    """Return what the condition gives, as soon as that is true."""
    end = time.monotonic() + WAIT_MS / 1000
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.2)
    return found


def in_view(page, script: str) -> list[str]:
    return [found for _, found in sorted(page.evaluate(script))]


def test_the_runs_are_ranked_with_the_answer_beside_their_names(browser):
    page = opened(browser, RUNS_VIEW)
    page.get_by_role("button", name="Sort: best/val_accuracy").wait_for()
    names = until(lambda: [n for n in in_view(page, NAMES) if n])
    assert [name.split()[0] for name in names] == ["dnn", "dnn", "linear"]
    columns = until(lambda: [c for c in in_view(page, COLUMNS) if c.startswith(("m", "p", "t"))])
    shown = [column for column in columns if not column[-1].isdigit()]
    assert shown[:4] == [*VIEWS["Runs"]["widths"]][:4]
    places = {column: x for x, column in page.evaluate(COLUMNS)}
    assert all(places[column] < 1440 - 100 for column in shown[:5])


def test_seeds_of_a_configuration_are_one_group_with_their_mean(browser, runs, client):
    page = opened(browser, "runs?workflowType=machine_learning&viewStateShareKey=seeds")
    page.get_by_role("button", name="Group by: configuration").wait_for()
    until(lambda: page.get_by_text("Group: dnn").count())
    reached = [client.get_run(i).data.metrics["best/val_accuracy"] for i in runs[1][1:]]
    mean = f"{sum(reached) / 2:.4f}"[:5]
    assert until(lambda: page.get_by_role("gridcell").filter(has_text=mean).count())


def sections(page) -> list[str]:
    """Return the headings of groups of charts from top to bottom, once the last is there."""
    found = until(lambda: all_of if "test" in (all_of := page.evaluate(HEADINGS)) else [])
    return [*dict.fromkeys(found)]


def test_the_curves_of_a_run_come_first_then_its_single_values(browser, runs):
    path = f"runs/{runs[1][1]}/model-metrics?workflowType=machine_learning"
    page = opened(browser, path)
    assert sections(page) == ["all epochs", "best", "memory", "model", "seconds", "test"]


def test_charts_of_runs_are_ordered_and_their_pictures_whole(browser):
    page = opened(browser, f"{RUNS_VIEW}&compareRunsMode=CHART")
    assert sections(page)[:3] == ["hyperparameters", "all epochs", "pictures"]
    page.get_by_placeholder("Search metric charts").fill("by")

    def firsts():  # of each card; those of the other runs are below
        shown = sorted(page.evaluate(PICTURES), key=lambda picture: -picture[1])
        return {round(picture[0], -2): picture for picture in shown}.values()

    assert until(lambda: len(firsts()) == 2)
    for _, y, width, _, bottom, _ in firsts():
        assert width > 300, "as wide as the card"
        assert y + width / 3 <= bottom + 1, (y, width, bottom)


def test_compared_runs_open_on_what_differs_against_validation_accuracy(browser, runs):
    path = f"compare-runs?runs={json.dumps(runs[1])}&experiments={json.dumps(['1'])}"
    page = opened(browser, path)
    chosen = page.locator("[class*=select-selection-item]")
    until(lambda: len([text for text in chosen.all_inner_texts() if text.strip()]) >= 4)
    said = set(chosen.all_inner_texts())
    assert {"hidden_units", "layers", "model", "all epochs/val_accuracy"} <= said


def test_the_pictures_of_a_run_are_seen_whole_and_follow_the_slider(browser, runs):
    path = f"runs/{runs[1][1]}/model-metrics?workflowType=machine_learning"
    page = opened(browser, path)
    page.get_by_placeholder("Search metric charts").fill("by")
    until(lambda: len(page.evaluate(PICTURES)) == 2)
    for x, y, width, natural, bottom, _ in page.evaluate(PICTURES):
        assert width > 300, "as wide as the card"
        assert natural > 500, "sharp when enlarged"
        assert y + width / 3 <= bottom + 1, (x, y, width, bottom)
    before = {picture[-1] for picture in page.evaluate(PICTURES)}
    for slider in page.get_by_role("slider").all():
        slider.focus()
        page.keyboard.press("ArrowRight")
    until(lambda: len(before - {picture[-1] for picture in page.evaluate(PICTURES)}) == 2)
    assert len(page.evaluate(PICTURES)) == 2


def test_the_pictures_in_the_guide_show_the_views_and_figures_of_today():
    made = json.loads(MADE_OF.read_text(encoding="utf-8"))
    assert made == made_of(), "make demo, then python -m docs.record.screens"
    guide = (IMAGES.parent / "mlflow-ui.md").read_text(encoding="utf-8")
    for picture in IMAGES.glob("ui_*.png"):
        assert f"images/{picture.name}" in guide
        assert picture.stat().st_size < 250_000
        assert Image.open(picture).width <= 1280
