"""Reports as one HTML file that needs nothing else: the base they share, and pictures within."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

TEMPLATES = Path(__file__).parent / "templates"


def make_renderer(
    templates: Path, *, filters: Mapping[str, Callable[..., Any]]
) -> Callable[[str, Mapping[str, Any]], str]:
    """Return what makes a text of a template's name and values, which HTML escapes.

    templates: folder of the report's own; they may extend `page.html.j2`.
    """
    environment = Environment(
        loader=FileSystemLoader([templates, TEMPLATES]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return lambda name, known: environment.get_template(name).render(known)


def data_uri(picture: bytes, *, kind: str) -> str:
    """Return a picture as an address that holds it; kind: as in `image/png`."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
