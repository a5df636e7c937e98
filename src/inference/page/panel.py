"""What the page says about a drawing: the answer, a bar a class, what was seen, strongest units."""

from collections.abc import Sequence
from html import escape
from io import BytesIO

from PIL import Image

from src.figures.page import data_uri
from src.inference.recogniser import Answer, Recogniser
from src.inference.units import Unit

MAX_BARS = 12


def answer_panel(
    recogniser: Recogniser, answer: Answer, units: Sequence[Unit], *, note: str
) -> str:
    """Return HTML with a model's answer for one picture. note: of the picture, may be empty."""
    picture = Image.fromarray(answer.prepared.pixels)
    size = " x ".join(map(str, answer.prepared.pixels.shape))
    comments = [_words(answer, recogniser), note]
    comments += ["the picture was left as it is"] if answer.prepared.as_it_was else []
    return _panel(
        recogniser,
        label=answer.label or "?",
        status=answer.status,
        words=[comment for comment in comments if comment],
        seen=f'<img class="seen" src="{_data_url(picture)}" alt="the {size} pixels that the '
        'network saw">',
        bars=_bars(recogniser, answer),
        units=_units(units),
    )


def waiting_panel(recogniser: Recogniser) -> str:
    """Return HTML for a pad without a drawing."""
    return _panel(
        recogniser,
        label="",
        status="waiting",
        words=["Draw one digit, large, in one or several strokes."],
        seen="",
        bars=_bars(recogniser, None),
        units="",
    )


def problem_panel(problem: str) -> str:
    """Return HTML that says why there is no answer."""
    return f'<section class="answer" data-status="problem"><p>{escape(problem)}</p></section>'


def _panel(
    recogniser: Recogniser,
    *,
    label: str,
    status: str,
    words: Sequence[str],
    seen: str,
    bars: str,
    units: str,
) -> str:
    said = "".join(f"<p>{escape(line)}</p>" for line in words)
    return (
        f'<section class="answer" data-status="{status}" data-run="{recogniser.run.id}">'
        f"<h2>{escape(recogniser.run.name)}</h2>"
        f'<div class="top">{seen}<span class="label">{escape(label)}</span></div>'
        f'<div class="said">{said}</div>{bars}{units}'
        f'<p class="small">Orange line: {escape(recogniser.rule)}.</p></section>'
    )


def _words(answer: Answer, recogniser: Recogniser) -> str:
    if answer.status == "no ink":
        return "No ink to be seen."
    if answer.status == "several digits":
        return "These look like several digits; give one at a time."
    if answer.status == "touches a frame":
        return "The ink touches the picture's edge or a frame; leave some paper around it."
    if answer.status == "unsure":
        return f"Unsure: {answer.best} or {answer.runner_up}?"
    return f"This is {answer.label}."


def _bars(recogniser: Recogniser, answer: Answer | None) -> str:
    names = recogniser.predictor.class_names
    shares = answer.probabilities.tolist() if answer is not None else [0.0] * len(names)
    shown = sorted(range(len(names)), key=lambda k: -shares[k])[:MAX_BARS]
    line = f'<span class="line" style="left:{recogniser.threshold.value:.1%}"></span>'
    rows = [
        f"<li{_best(shares[k], shares)}><span>{escape(names[k])}</span>"
        f'<span class="track"><span class="bar" style="width:{shares[k]:.1%}"></span>{line}</span>'
        f"<span>{int(shares[k] * 1000) / 10:.1f} %</span></li>"
        for k in sorted(shown)
    ]
    return f'<ul class="bars" aria-label="probability of each class">{"".join(rows)}</ul>'


def _best(share: float, shares: Sequence[float]) -> str:
    return ' class="best"' if share and share == max(shares) else ""


def _units(units: Sequence[Unit]) -> str:
    if not units:
        return ""
    figures = "".join(
        f'<figure><img src="{_data_url(unit.tile)}" alt="weights of {escape(unit.name)}">'
        f"<figcaption>{escape(unit.name)}<br>{unit.response:+.1f}</figcaption></figure>"
        for unit in units
    )
    return (
        '<p class="small">Strongest first-layer units, with their response; red weights want ink '
        f'there, blue ones want none:</p><div class="units">{figures}</div>'
    )


def _data_url(picture: Image.Image) -> str:
    stored = BytesIO()
    picture.save(stored, format="PNG", compress_level=1)
    return data_uri(stored.getvalue(), kind="png")
