"""Answers in words: a table for people, CSV and JSON for programs, a picture of what was seen."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, get_args

from src.config.settings import Predict
from src.figures.explained import Explained, explained_sheet
from src.figures.style import save_picture
from src.inference.recogniser import Answer, Recogniser
from src.pictures.preparation import Problem
from src.pictures.reading import Picture, PictureError, read_picture
from src.tracking.database import make_folder

BATCH = 32
"""Pictures that are read before they are answered together."""
ROWS_PER_SHEET = 20
MAX_NAME = 48
COLUMNS = (
    *("file", "status", "label", "best", "probability"),
    *("runner_up", "runner_up_probability", "note"),
)

Answered = tuple[Path, Picture, Answer]
Record = dict[str, Any]
"""An answer as plain values: COLUMNS, and the `probabilities` of the classes."""


def answer_files(
    files: list[Path], recogniser: Recogniser, settings: Predict, *, folder: Path
) -> list[str]:
    """Print an answer for every file that is a picture; return a line for every one that is not.

    folder: where the drawings go if they are asked for.
    """
    problems: list[str] = []
    shown: list[Explained] = []

    def records() -> Iterator[Record]:
        for file, picture, answer in _answers(files, recogniser, problems):
            if settings.explain:
                shown.append(_explained(file, picture, answer, recogniser))
            yield record(answer, recogniser, file=_shown(file), note=picture.note)

    width = max(len(_shown(file)) for file in files)
    print_answers(records(), recogniser, settings.format, width=width)
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    for number, first in enumerate(range(0, len(shown), ROWS_PER_SHEET), start=1):
        path = folder / f"{stamp}_{number}.png"
        make_folder(path.parent)
        save_picture(explained_sheet(shown[first : first + ROWS_PER_SHEET]), path)
        print(f"what the network saw: {path}", file=_stream(settings.format), flush=True)
    return problems


def _answers(files: list[Path], recogniser: Recogniser, problems: list[str]) -> Iterator[Answered]:
    for start in range(0, len(files), BATCH):
        read: list[tuple[Path, Picture]] = []
        for file in files[start : start + BATCH]:
            try:
                read.append((file, read_picture(file, name=_shown(file))))
            except PictureError as error:
                problems += error.problems
        answers = recogniser.answer([recogniser.prepare(picture) for _, picture in read])
        for (file, picture), answer in zip(read, answers, strict=True):
            yield file, picture, answer


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
    records: Iterable[Record], recogniser: Recogniser, form: str, *, width: int
) -> None:
    """Print records in a format as they come, and what is no answer to stderr, but for a table.

    width: of the longest name.
    """
    said = f"{recogniser.origin}\n{recogniser.rule}"
    print(said, file=_stream(form), flush=True)
    if form == "csv":
        rows = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n", extrasaction="ignore")
        rows.writeheader()
        rows.writerows(records)
    elif form == "kaggle":
        print("ImageId,Label")
        for number, values in enumerate(records, start=1):
            print(f"{number},{values['best']}")
    elif form == "json":
        kept = [{k: v for k, v in r.items() if k != "note" or v} for r in records]
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


def _explained(file: Path, picture: Picture, answer: Answer, recogniser: Recogniser) -> Explained:
    words = {
        "recognised": f"{answer.label}, {_share(answer.probability)}",
        "unsure": f"unsure: {answer.best} {_share(answer.probability)}, "
        f"{answer.runner_up} {_share(answer.runner_up_probability)}",
    }
    as_it_was = ", left as it was" if answer.prepared.as_it_was else ""
    return Explained(
        title=_shown(file),
        words=words.get(answer.status, answer.status) + as_it_was,
        colours=picture.colours,
        box=answer.prepared.box,
        pixels=answer.prepared.pixels,
        probabilities=answer.probabilities,
        class_names=recogniser.predictor.class_names,
        threshold=recogniser.threshold.value,
    )
