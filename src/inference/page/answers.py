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
from src.pictures.form import Form
from src.pictures.preparation import Prepared
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
            drawn = read_picture(BytesIO(_decoded(picture)), name="this file") if picture else None
        except UserError as error:
            return problem_panel(str(error))
        prepared: dict[Form, Prepared] = {}
        chosen = [run_id for run_id in dict.fromkeys(models) if run_id]
        return "".join(self._panel(run_id, drawn, prepared) for run_id in chosen)

    def _panel(self, run_id: str, picture: Picture | None, prepared: dict[Form, Prepared]) -> str:
        """Return one model's panel; a model that cannot be had leaves the others theirs.

        prepared: by form what the picture was made into for models before, which is added to.
        """
        try:
            recogniser = self._load(run_id)
        except UserError as error:
            return problem_panel(str(error))
        if picture is None:
            return waiting_panel(recogniser)
        form = recogniser.calibration.form
        if form not in prepared:
            prepared[form] = recogniser.prepare(picture)
        [answer] = recogniser.answer([prepared[form]])
        units = [] if answer.prepared.problem else strongest_units(recogniser, answer.prepared)
        return answer_panel(recogniser, answer, units, note=picture.note)

    def _load_once(self, run_id: str) -> Recogniser:
        return load_recogniser(self._stored, model=run_id)


def _decoded(data_url: str) -> bytes:
    head, _, encoded = data_url.partition(",")
    if not head.startswith("data:") or len(encoded) > MAX_REQUEST_BYTES:
        raise PictureError("this file: is not a picture, or is too large")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise PictureError("this file: was damaged on the way; try again") from error
