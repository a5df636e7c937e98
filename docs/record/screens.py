"""`python -m docs.record.screens`: pictures of the MLflow UI, and of the reports.

From the store that `make demo` makes, or of another folder: `python -m docs.record.screens FOLDER`.
What they show is written beside them, so that a test finds them older than the code.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import sleep

from playwright.sync_api import Page, ViewportSize, sync_playwright

from docs.record.pictures import IMAGES
from src.config.settings import Tracking
from src.tracking.queries import StoredRuns
from src.tracking.store import open_existing_store
from src.tracking.views import view_address

ROOT = IMAGES.parents[1]
SHOWN = (
    "src/tracking/views.py",
    "src/tracking/series.py",
    "src/figures/*.py",
    "src/search/page.py",
    "src/*/templates/*.html.j2",
)
"""Code that decides what the pictures show."""
MADE_OF = IMAGES / "ui.json"
ACCURACY = "best/val_accuracy"
WINDOW = ViewportSize(width=1440, height=900)
SCALE = 1280 / 1440
"""Of the pictures, whose text the browser draws at their own size."""
DRAWN_AFTER_S = 12
QUIET = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"


def made_of() -> dict[str, str]:
    """Return the version of MLflow and the digest of the code that the pictures show."""
    files = sorted(path for pattern in SHOWN for path in ROOT.glob(pattern))
    digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return {"mlflow": version("mlflow"), "code": digest}


def main(folder: Path) -> None:
    """Make all pictures anew."""
    store = open_existing_store(Tracking(folder=folder))
    runs = [run for run in StoredRuns(store).finished if ACCURACY in run.metrics]
    best = max(runs, key=lambda run: run.metrics[ACCURACY])
    tested = {run.tags["model"]: run for run in reversed(runs) if run.tested}
    dense, linear = tested["dnn"], tested["linear"]
    compared = json.dumps([best.id, dense.id, linear.id])
    here = store.experiment_id
    mode = "workflowType=machine_learning"
    pages: dict[str, tuple[str, Callable[[Page], None]]] = {
        "ui_runs": (view_address(here, "Runs"), lambda page: None),
        "ui_sweeps": (view_address(here, "Sweeps"), lambda page: None),
        "ui_run": (f"#/experiments/{here}/runs/{dense.id}/model-metrics?{mode}", _to_the_end),
        "ui_charts": (f"{view_address(here, 'Runs')}&compareRunsMode=CHART", lambda page: None),
        "ui_compare": (f'#/compare-runs?runs={compared}&experiments=["{here}"]', lambda page: None),
    }
    with _server(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=WINDOW, device_scale_factor=SCALE)
        context.add_init_script(QUIET)
        page = context.new_page()
        for name, (path, prepare) in pages.items():
            page.goto("about:blank")
            page.goto(f"{address}/{path}")
            sleep(DRAWN_AFTER_S)
            prepare(page)
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"made anew: docs/images/{name}.png")
        for report, name, top in (
            ("sweeps/dnn", "sweep_report", "text=How the search went"),
            ("comparisons/dnn-linear", "report", "body"),
        ):
            page.goto((folder / report / "report.html").as_uri())
            page.locator(top).first.evaluate("part => part.scrollIntoView()")
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"made anew: docs/images/{name}.png")
        browser.close()
    MADE_OF.write_text(json.dumps(made_of(), indent=2) + "\n", encoding="utf-8")


def _to_the_end(page: Page) -> None:
    """Scroll to the pictures over training, and move their sliders."""
    for number in range(2):  # the second is drawn when the first has come into view
        slider = page.get_by_role("slider").nth(number)
        slider.focus()
        for _ in range(3):  # more would leave the range, and the picture goes
            page.keyboard.press("ArrowRight")
            sleep(0.2)
    page.get_by_role("slider").first.evaluate("e => e.scrollIntoView({block: 'center'})")
    sleep(DRAWN_AFTER_S)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Run the UI on the store, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "src.ui", f"tracking.folder='{folder}'", f"port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        assert any("the runs are at" in line for line in server.stdout), "the UI does not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "mlruns" / "demo").resolve())
