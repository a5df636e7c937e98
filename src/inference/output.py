"""Answers in words: a table for people, CSV and JSON for programs, a picture of what was seen."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, TextIO, get_args

from src.config.settings import Predict, TableReading
from src.errors import DataError
from src.figures.explained import explained_row, explained_sheet
from src.figures.sheet import Tile
from src.figures.style import save_picture
from src.inference.recogniser import Answer, Recogniser
from src.inference.tables import TableImages, read_images, score
from src.pictures.preparation import Prepared, Problem
from src.pictures.reading import Picture, PictureError, read_picture
from src.tracking.database import make_folder

BATCH = 32
"""Pictures that are read before they are answered together."""
ROWS_PER_SHEET = 20
MAX_NAME = 48
COLUMNS = (
    *("file", "status", "label", "best", "probability"),
    *("runner_up", "runner_up_probability", "note", "id"),
)

Record = dict[str, Any]
"""An answer as plain values: COLUMNS, and the `probabilities` of the classes."""


def answer_all(
    files: list[Path],
    tables: list[Path],
    recogniser: Recogniser,
    settings: Predict,
    *,
    reading: TableReading,
    folder: Path,
) -> list[str]:
    """Print an answer for every picture and every row of a table, in one document.

    Return a line for every file that is neither. reading: how tables are read. folder: where the
    drawings go if they are asked for.
    """
    problems: list[str] = []
    shown: list[list[Tile]] = []
    images: list[TableImages] = []
    for path in tables:
        try:
            images.append(read_images(path, recogniser, reading))
        except DataError as error:
            problems += error.problems
    names = [*map(_shown, files), *(_row_name(table, len(table.pixels)) for table in images)]
    if not names:
        return problems
    records = chain(
        _of_pictures(files, recogniser, problems, shown if settings.explain else None),
        *(_of_table(table, recogniser) for table in images),
    )
    id_name = images[0].id_name if images else None
    width = max(map(len, names))
    print_answers(records, recogniser, settings.format, width=width, id_name=id_name)
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    for number, first in enumerate(range(0, len(shown), ROWS_PER_SHEET), start=1):
        path = folder / f"{stamp}_{number}.png"
        make_folder(path.parent)
        save_picture(explained_sheet(shown[first : first + ROWS_PER_SHEET]), path)
        print(f"what the network saw: {path}", file=_stream(settings.format), flush=True)
    return problems


def _of_pictures(
    files: list[Path],
    recogniser: Recogniser,
    problems: list[str],
    shown: list[list[Tile]] | None,
) -> Iterator[Record]:
    for start in range(0, len(files), BATCH):
        read: list[tuple[Path, Picture]] = []
        for file in files[start : start + BATCH]:
            try:
                read.append((file, read_picture(file, name=_shown(file))))
            except PictureError as error:
                problems += error.problems
        answers = recogniser.answer([recogniser.prepare(picture) for _, picture in read])
        for (file, picture), answer in zip(read, answers, strict=True):
            if shown is not None:
                shown.append(_explained(file, picture, answer, recogniser))
            yield record(answer, recogniser, file=_shown(file), note=picture.note)


def _of_table(table: TableImages, recogniser: Recogniser) -> Iterator[Record]:
    """Yield the answers to a table's rows; then say how many are right, if it has labels."""
    answers = recogniser.answer([Prepared(image[0], as_it_was=True) for image in table.pixels])
    for row, answer in enumerate(answers, start=1):
        values = record(answer, recogniser, file=_row_name(table, row))
        yield values | {"id": table.ids[row - 1] if table.ids else None}
    if table.labels is not None:
        said = score(answers, table.labels, recogniser)
        print(f"{table.path}: {said}", file=sys.stderr, flush=True)


def _row_name(table: TableImages, row: int) -> str:
    return f"{_shown(table.path)}, row {row}"


def _shown(file: Path) -> str:
    """Return a name that can be printed, whatever bytes it is made of."""
    return str(file).encode(errors="replace").decode()


def record(answer: Answer, recogniser: Recogniser, *, file: str, note: str = "") -> Record:
    """Return an answer as plain values; without a single digit there are no classes."""
    values: Record = dict.fromkeys(COLUMNS) | {"file": file, "note": note}
    values |= {"status": answer.status, "label": answer.label}
    if answer.status not in get_args(Problem):
        pairs = zip(recogniser.predictor.class_names, answer.probabilities.tolist(), strict=True)
        values |= {
            "best": answer.best,
            "probability": round(answer.probability, 6),
            "runner_up": answer.runner_up,
            "runner_up_probability": round(answer.runner_up_probability, 6),
            "probabilities": {name: round(value, 6) for name, value in pairs},
        }
    return values


def print_answers(
    records: Iterable[Record],
    recogniser: Recogniser,
    form: str,
    *,
    width: int,
    id_name: str | None = None,
) -> None:
    """Print records in a format as they come, and what is no answer to stderr, but for a table.

    width: of the longest name. id_name: of the column that names the rows of a table.
    """
    said = f"{recogniser.origin}\n{recogniser.rule}"
    print(said, file=_stream(form), flush=True)
    if form == "csv":
        rows = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n", extrasaction="ignore")
        rows.writeheader()
        rows.writerows(records)
    elif form == "kaggle":
        lines = csv.writer(sys.stdout, lineterminator="\n")
        named = id_name or "ImageId"
        lines.writerow([named, "label" if named.islower() else "Label"])
        for number, values in enumerate(records, start=1):
            lines.writerow([values["id"] if id_name else number, values["best"]])
    elif form == "json":
        kept = [{k: v for k, v in r.items() if k not in {"note", "id"} or v} for r in records]
        own = {"run": recogniser.run.id, "threshold": round(recogniser.threshold.value, 6)}
        shows_all = sys.stdout.encoding.lower() == "utf-8"
        print(json.dumps({**own, "answers": kept}, indent=2, ensure_ascii=not shows_all))
    else:
        _print_table(records, recogniser, width=max(4, min(MAX_NAME, width)))


def _stream(form: str) -> TextIO:
    return sys.stdout if form == "table" else sys.stderr


def _print_table(records: Iterable[Record], recogniser: Recogniser, *, width: int) -> None:
    label = max(6, *map(len, recogniser.predictor.class_names))
    columns = f"{{:<{width}}}  {{:<{label}}}  {{:<11}}  {{:<{label + 4}}}  "
    print(f"\n{columns.format('file', 'answer', 'probability', 'runner-up')}".rstrip())
    for values in records:
        file, comments = values["file"], [values["note"]] if values["note"] else []
        shares = ["", ""]
        if values["best"] is None:
            comments.insert(0, values["status"])
        else:
            second = f"{values['runner_up']}  {_share(values['runner_up_probability'])}"
            shares = [_share(values["probability"]), second]
            if values["label"] is None:
                comments.insert(0, f"unsure, looks most like {values['best']}")
        name = file if len(file) <= width else f"…{file[1 - width :]}"
        row = columns.format(name, values["label"] or "none", *shares)
        print(f"{row}{'; '.join(comments)}".rstrip(), flush=True)


def _share(probability: float) -> str:
    """Return a probability of three digits; what is not certain is not rounded to 1."""
    return f"{int(probability * 1000) / 1000:.3f}"


def _explained(file: Path, picture: Picture, answer: Answer, recogniser: Recogniser) -> list[Tile]:
    words = {
        "recognised": f"{answer.label}, {_share(answer.probability)}",
        "unsure": f"unsure: {answer.best} {_share(answer.probability)}, "
        f"{answer.runner_up} {_share(answer.runner_up_probability)}",
    }
    as_it_was = ", left as it was" if answer.prepared.as_it_was else ""
    return explained_row(
        title=_shown(file),
        words=words.get(answer.status, answer.status) + as_it_was,
        colours=picture.colours,
        box=answer.prepared.box,
        pixels=answer.prepared.pixels,
        probabilities=answer.probabilities,
        class_names=recogniser.predictor.class_names,
        threshold=recogniser.threshold.value,
    )
