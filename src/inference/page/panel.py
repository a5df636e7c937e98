"""What the page says about a drawing: the answer, a bar a class, what was seen, strongest units."""

from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from src.figures.page import data_uri, make_renderer
from src.inference.recogniser import Answer, Recogniser
from src.inference.units import Unit

HERE = Path(__file__).parent
MAX_BARS = 12


def _data_url(picture: Image.Image) -> str:
    stored = BytesIO()
    picture.save(stored, format="PNG", compress_level=1)
    return data_uri(stored.getvalue(), kind="png")


RENDER = make_renderer(HERE, filters={"png": _data_url})
"""Made once: a drawing is answered at every stroke."""


def answer_panel(
    recogniser: Recogniser, answer: Answer, units: Sequence[Unit], *, note: str
) -> str:
    """Return HTML with a model's answer for one picture. note: of the picture, may be empty."""
    as_it_was = "the picture was left as it is" if answer.prepared.as_it_was else ""
    return _panel(
        recogniser,
        answer.probabilities,
        status=answer.status,
        label=answer.label or "?",
        words=[line for line in (_words(answer), note, as_it_was) if line],
        picture=Image.fromarray(answer.prepared.pixels),
        units=units,
    )


def waiting_panel(recogniser: Recogniser) -> str:
    """Return HTML for a pad without a drawing."""
    return _panel(
        recogniser,
        np.zeros(len(recogniser.predictor.class_names)),
        status="waiting",
        label="",
        words=["Draw one digit, large, in one or several strokes."],
        picture=None,
        units=[],
    )


def problem_panel(problem: str) -> str:
    """Return HTML that says why there is no answer."""
    return f'<section class="answer" data-status="problem"><p>{escape(problem)}</p></section>'


def _panel(
    recogniser: Recogniser,
    probabilities: np.ndarray,
    *,
    status: str,
    label: str,
    words: Sequence[str],
    picture: Image.Image | None,
    units: Sequence[Unit],
) -> str:
    names, shares = recogniser.predictor.class_names, probabilities.tolist()
    likeliest = np.argsort(-probabilities, kind="stable")[:MAX_BARS]
    known = {
        "run": recogniser.run,
        "rule": recogniser.rule,
        "threshold": recogniser.threshold.value,
        "status": status,
        "label": label,
        "words": words,
        "picture": picture,
        "bars": [(names[k], shares[k]) for k in sorted(likeliest)],
        "most": max(shares),
        "units": units,
    }
    return RENDER("panel.html.j2", known)


def _words(answer: Answer) -> str:
    if answer.status == "no ink":
        return "No ink to be seen."
    if answer.status == "several digits":
        return "These look like several digits; give one at a time."
    if answer.status == "touches a frame":
        return "The ink touches the picture's edge or a frame; leave some paper around it."
    if answer.status == "unsure":
        return f"Unsure: {answer.best} or {answer.runner_up}?"
    return f"This is {answer.label}."
