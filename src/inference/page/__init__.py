"""The page to draw a digit on: Gradio serves it, to this machine alone and without any other."""

from functools import cached_property
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, final

import gradio as gr
from starlette.middleware import Middleware

from src.config.settings import ModelSelection
from src.errors import ConfigError
from src.inference.choice import choose_run
from src.inference.page.limit import LimitedRequests
from src.pictures.reading import MAX_FILE_BYTES
from src.process.environment import set_variables
from src.tracking.queries import StoredRun, StoredRuns

if TYPE_CHECKING:
    from src.inference.page.answers import Answers

HERE = Path(__file__).parent
MAX_RUNS = 50
NOBODY = ""
TELL_THE_PAD = """(...models) => {
  document.dispatchEvent(new CustomEvent("models", { detail: models }));
}"""


@final
class Page:
    """The models to choose from, and the page around them.

    Raises ConfigError or TrackingError where there is no model to begin with.
    """

    def __init__(self, stored: StoredRuns, asked: ModelSelection) -> None:
        self._stored = stored
        self._lock = Lock()
        first, _ = choose_run(stored, asked.run)
        runs = stored.newest(MAX_RUNS)
        self._runs = list({run.id: run for run in [first, *runs]}.values())
        self._chosen = [first.id, _another(first, runs)]

    def launch(self, *, port: int | None, open_browser: bool) -> tuple[gr.Blocks, str]:
        """Serve the page on a port, by default the first free one; return it with its address.

        Raises ConfigError where there is no such port.
        """
        set_variables({"GRADIO_ANALYTICS_ENABLED": "False"})
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
                max_file_size=MAX_FILE_BYTES,
                css=(HERE / "page.css").read_text(encoding="utf-8"),
                app_kwargs={"middleware": [Middleware(LimitedRequests)]},
            )
        except OSError as error:
            raise ConfigError(f"`app.port`: {error}") from error
        Thread(target=self._answer, args=("", self._chosen), daemon=True).start()
        return page, address

    def _blocks(self) -> gr.Blocks:
        def answer(question: dict[str, Any]) -> str:
            return self._answer(str(question["picture"]), [str(run) for run in question["models"]])

        choices = [(f"{run.name} · {run.id[:6]}", run.id) for run in self._runs]
        with gr.Blocks(title="Draw a digit", analytics_enabled=False) as page:
            gr.HTML("<h1>Draw a digit</h1>")
            with gr.Row(elem_id="layout"):
                gr.HTML(
                    html_template=(HERE / "pad.html").read_text(encoding="utf-8"),
                    css_template=(HERE / "pad.css").read_text(encoding="utf-8"),
                    js_on_load=(HERE / "pad.js").read_text(encoding="utf-8"),
                    elem_id="pad",
                    server_functions=[answer],
                    most_bytes=MAX_FILE_BYTES,
                    models=self._chosen,
                )
                gr.HTML(
                    '<div class="panels" aria-live="polite">loading the models ...</div>',
                    elem_id="answers",
                )
                with gr.Column(elem_id="choices"):
                    first = gr.Dropdown(choices, value=self._chosen[0], label="Model")
                    second = gr.Dropdown(
                        [("none", NOBODY), *choices], value=self._chosen[1], label="Beside it"
                    )
            for choice in (first, second):
                choice.input(None, [first, second], js=TELL_THE_PAD)
        return page

    def _answer(self, picture: str, models: list[str]) -> str:
        with self._lock:  # one after another: Python's filters of warnings are not for threads
            return self._answers.answer(picture, models)

    @cached_property
    def _answers(self) -> "Answers":
        from src.inference.page.answers import Answers  # takes seconds: loads torch

        return Answers(self._stored)


def _another(first: StoredRun, runs: list[StoredRun]) -> str:
    """Return the newest run of another kind of model on the same data, to be shown beside it."""
    others = [
        run
        for run in runs
        if run.tags["data"] == first.tags["data"] and run.tags["model"] != first.tags["model"]
    ]
    return others[0].id if others else NOBODY
