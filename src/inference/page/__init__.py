"""The page to draw a digit on: Gradio serves it, to this machine alone and without any other."""

import base64
import binascii
import os
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, final

import gradio as gr

from src.errors import ConfigError, UserError
from src.inference.page.panel import CSS, answer_panel, waiting_panel
from src.inference.pictures import PictureError, read_picture
from src.inference.recogniser import Recogniser, load_recogniser
from src.inference.units import strongest_units
from src.settings import Asked, Tracking
from src.tracking.finding import FinishedRun, finished_runs

HERE = Path(__file__).parent
MOST_BYTES = 10_000_000
"""Of a picture file."""
MOST_REQUEST_BYTES = 15_000_000
"""Of a request: such a file in base64, and some words."""
MOST_RUNS = 50
NOBODY = ""
TELL_THE_PAD = """(...models) => {
  document.dispatchEvent(new CustomEvent("models", { detail: models }));
}"""
FIRST_PORT, LAST_PORT = 7860, 7959


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
        """Serve the page; return it, to be closed, with its address.

        Raises ConfigError where the port is taken.
        """
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        page = self._blocks()
        ports = [port] if port is not None else range(FIRST_PORT, LAST_PORT + 1)
        for tried in ports:
            try:
                _, address, _ = page.launch(
                    server_name="127.0.0.1",
                    server_port=tried,
                    inbrowser=open_browser,
                    prevent_thread_lock=True,
                    quiet=True,
                    share=False,
                    ssr_mode=False,
                    run_history=False,
                    footer_links=[],
                    max_file_size=MOST_BYTES,
                    css=CSS,
                    app_kwargs={"middleware": [_limit()]},
                )
            except OSError:
                continue
            return page, address
        wanted = f"`app.port`={port}: is" if port else f"ports {FIRST_PORT} to {LAST_PORT}: are"
        raise ConfigError(f"{wanted} taken by another program; choose another with app.port=")

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
        panels = []
        for recogniser in chosen:
            answer = recogniser.recognise(seen)
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


def _limit() -> Any:
    from starlette.middleware import Middleware

    return Middleware(_LimitedRequests)


Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@final
class _LimitedRequests:
    """Answers 413 to a request whose body is too large, before it is read into memory."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        chunked = b"transfer-encoding" in dict(scope["headers"])
        if chunked or not announced.isdigit() or int(announced) > MOST_REQUEST_BYTES:
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": b"the request is too large\n"})
            return
        await self._app(scope, receive, send)
