"""`python -m src.app`: a page to draw a digit on, served to this machine alone."""

import time
from typing import Any

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import quote_model, resolved
from src.config.plan import ConfigValidator
from src.config.settings import App, ModelSelection, Tracking
from src.errors import ConfigError
from src.process.gc_pause import resume_gc
from src.process.machine import require_free_port
from src.process.signals import stop_on_signals


def app_command(config: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    tracking, asked, app = make_request(resolved(config))
    if app.port is not None:
        require_free_port(app.port, key="app.port")
    print("preparing the page ...", flush=True)
    with stop_on_signals() as stop:
        try:
            # loaded only now, so that a mistake on the command line is answered at once
            from src.inference.page import Page
            from src.tracking.queries import StoredRuns
            from src.tracking.store import open_existing_store
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            raise ConfigError(
                "the page needs the extra `app`: python -m pip install -e '.[app]'"
            ) from error
        stored = StoredRuns(open_existing_store(tracking))
        page, address = Page(stored, asked).launch(port=app.port, open_browser=app.open_browser)
        resume_gc()
        print(f"draw a digit at {address} (end with Ctrl-C)", flush=True)
        while stop.interrupted is None:
            time.sleep(0.1)
        page.close(verbose=False)


def make_request(config: dict[str, Any]) -> tuple[Tracking, ModelSelection, App]:
    """Return what a configuration asks for; raises ConfigError with every problem in it."""
    check = ConfigValidator(config)
    tracking = check.tracked()
    asked = check.settings(ModelSelection, "model")
    app = check.settings(App, "app")
    check.finish()
    return tracking, asked, app


if __name__ == "__main__":
    run_verb(
        app_command,
        config_name="app",
        check=make_request,
        read=lambda words: (quote_model(words), {}),
    )
