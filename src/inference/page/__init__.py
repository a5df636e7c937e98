"""The page to draw a digit on: Gradio serves it, to this machine alone and without any other."""

import base64
import binascii
import os
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, final

import gradio as gr
from starlette.middleware import Middleware

from src.errors import ConfigError, UserError
from src.inference.page.limit import MOST_REQUEST_BYTES, LimitedRequests
from src.inference.page.panel import CSS, answer_panel, waiting_panel
from src.inference.pictures import PictureError, read_picture
from src.inference.recogniser import Recogniser, load_recogniser
from src.inference.units import strongest_units
from src.settings import Asked, Tracking
from src.tracking.finding import FinishedRun, finished_runs

HERE = Path(__file__).parent
MOST_BYTES = 10_000_000
"""Of a picture file."""
MOST_RUNS = 50
NOBODY = ""
TELL_THE_PAD = """(...models) => {
  document.dispatchEvent(new CustomEvent("models", { detail: models }));
}"""


@final
class Page:
    """The models to choose from, and the page around them."""

    def __init__(self, tracking: Tracking, asked: Asked) -> None:
        self._tracking = tracking
        self._load = lru_cache(maxsize=8)(self._load_once)
        first = load_recogniser(tracking, model=asked.run)
        runs = finished_runs(tracking, most=MOST_RUNS)
        self._runs = {first.run.run_id: first.run} | {run.run_id: run for run in runs}
        self._first = first
        self._second = _another(first.run, runs)

    def launch(self, *, port: int | None, open_browser: bool) -> tuple[gr.Blocks, str]:
        """Serve the page on a port, by default the first free one; return it with its address.

        Raises ConfigError where there is no such port.
        """
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        page = self._blocks()
        try:
            _, address, _ = page.launch(
                server_name="127.0.0.1",
                server_port=port,
                inbrowser=open_browser,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                run_history=False,
                footer_links=[],
                max_file_size=MOST_BYTES,
                css=CSS,
                app_kwargs={"middleware": [Middleware(LimitedRequests)]},
            )
        except OSError as error:
            raise ConfigError(f"`app.port`: {error}") from error
        return page, address

    def _blocks(self) -> gr.Blocks:
        def answer(question: dict[str, Any]) -> str:
            return self._answer(str(question["picture"]), [str(run) for run in question["models"]])

        choices = [(_name(run), run.run_id) for run in self._runs.values()]
        with gr.Blocks(title="Draw a digit", analytics_enabled=False) as page:
            gr.HTML("<h1>Draw a digit</h1>")
            with gr.Row(elem_id="layout"):
                gr.HTML(
                    html_template=(HERE / "pad.html").read_text(),
                    css_template=(HERE / "pad.css").read_text(),
                    js_on_load=(HERE / "pad.js").read_text(),
                    elem_id="pad",
                    server_functions=[answer],
                    most_bytes=MOST_BYTES,
                    models=[self._first.run.run_id, self._second],
                )
                waiting = self._answer("", [self._first.run.run_id, self._second])
                gr.HTML(
                    f'<div class="panels" aria-live="polite">{waiting}</div>', elem_id="answers"
                )
                with gr.Column(elem_id="choices"):
                    first = gr.Dropdown(choices, value=self._first.run.run_id, label="Model")
                    second = gr.Dropdown(
                        [("none", NOBODY), *choices], value=self._second, label="Beside it"
                    )
            for choice in (first, second):
                choice.input(None, [first, second], js=TELL_THE_PAD)
        return page

    def _answer(self, picture: str, models: list[str]) -> str:
        """Return the panels of the chosen models for a picture, a data URL, or "" where none is."""
        try:
            chosen = [self._load(run) for run in dict.fromkeys(models) if run]
            if not picture:
                return "".join(waiting_panel(recogniser) for recogniser in chosen)
            seen = read_picture(BytesIO(_decoded(picture)), name="this file")
        except UserError as error:
            return waiting_panel(self._first, problem=str(error))
        panels, prepared = [], {}
        for recogniser in chosen:
            shape = recogniser.image_shape
            if shape not in prepared:
                prepared[shape] = recogniser.prepare(seen)
            [answer] = recogniser.answer([prepared[shape]])
            units = [] if answer.prepared.problem else strongest_units(recogniser, answer.prepared)
            panels.append(answer_panel(recogniser, answer, units, note=seen.note))
        return "".join(panels)

    def _load_once(self, run_id: str) -> Recogniser:
        if run_id == self._first.run.run_id:
            return self._first
        if run_id not in self._runs:
            raise ConfigError(f"run {run_id}: is not among those to choose from")
        return load_recogniser(self._tracking, model=run_id)


def _another(first: FinishedRun, runs: list[FinishedRun]) -> str:
    """Return the newest run of another kind of model on the same data, to be shown beside it."""
    others = [run for run in runs if run.data == first.data and run.model != first.model]
    return others[0].run_id if others else NOBODY


def _name(run: FinishedRun) -> str:
    return f"{run.name} · {run.run_id[:6]}"


def _decoded(data_url: str) -> bytes:
    head, _, encoded = data_url.partition(",")
    if not head.startswith("data:") or len(encoded) > MOST_REQUEST_BYTES:
        raise PictureError("this file: is not a picture, or is too large")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise PictureError("this file: was damaged on the way; try again") from error
