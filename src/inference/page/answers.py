"""What the chosen models answer, as HTML, to a picture that the page sends."""

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import final

from src.errors import UserError
from src.inference.page.limit import MAX_REQUEST_BYTES
from src.inference.page.panel import answer_panel, problem_panel, waiting_panel
from src.inference.recogniser import Recogniser, load_recogniser
from src.inference.units import strongest_units
from src.pictures.reading import Picture, PictureError, read_picture
from src.tracking.queries import StoredRuns

MAX_LOADED = 8


@final
class Answers:
    """Loads models when they are first asked, and keeps some of them."""

    def __init__(self, stored: StoredRuns) -> None:
        self._stored = stored
        self._load = lru_cache(maxsize=MAX_LOADED)(self._load_once)

    def answer(self, picture: str, models: Sequence[str]) -> str:
        """Return a panel for each model.

        picture: a data URL, or "" where nothing is drawn. models: run ids; "" is none.
        """
        try:
            chosen = [self._load(run_id) for run_id in dict.fromkeys(models) if run_id]
            if not picture:
                return "".join(waiting_panel(recogniser) for recogniser in chosen)
            return _panels(read_picture(BytesIO(_decoded(picture)), name="this file"), chosen)
        except UserError as error:
            return problem_panel(str(error))

    def _load_once(self, run_id: str) -> Recogniser:
        return load_recogniser(self._stored, model=run_id)


def _panels(picture: Picture, chosen: Sequence[Recogniser]) -> str:
    panels, prepared = [], {}
    for recogniser in chosen:
        form = recogniser.calibration.form
        if form not in prepared:
            prepared[form] = recogniser.prepare(picture)
        [answer] = recogniser.answer([prepared[form]])
        units = [] if answer.prepared.problem else strongest_units(recogniser, answer.prepared)
        panels.append(answer_panel(recogniser, answer, units, note=picture.note))
    return "".join(panels)


def _decoded(data_url: str) -> bytes:
    head, _, encoded = data_url.partition(",")
    if not head.startswith("data:") or len(encoded) > MAX_REQUEST_BYTES:
        raise PictureError("this file: is not a picture, or is too large")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise PictureError("this file: was damaged on the way; try again") from error
