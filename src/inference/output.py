"""Answers in words: a table for people, CSV and JSON for programs, a picture of what was seen."""

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, final

from src.config.settings import Predict
from src.figures.explained import Explained, explained_sheet
from src.figures.style import save_picture
from src.inference.recogniser import Answer, Recogniser
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


def answer_files(
    files: list[Path], recogniser: Recogniser, settings: Predict, *, folder: Path
) -> list[str]:
    """Print an answer for every file that is a picture; return a line for every one that is not.

    folder: where the drawings go if they are asked for.
    """
    writer = _writer(settings, files, recogniser)
    problems: list[str] = []
    shown: list[Explained] = []
    sheets: list[Path] = []
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    writer.begin()
    for file, picture, answer in _answers(files, recogniser, problems):
        writer.answer(_shown(file), picture.note, answer)
        if settings.explain:
            shown.append(_explained(file, picture, answer, recogniser))
        if len(shown) == ROWS_PER_SHEET:
            sheets.append(_draw(shown, folder / f"{stamp}_{len(sheets) + 1}.png"))
            shown.clear()
    if shown:
        sheets.append(_draw(shown, folder / f"{stamp}_{len(sheets) + 1}.png"))
    writer.end()
    for path in sheets:
        writer.say(f"what the network saw: {path}")
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


def record(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values; without a single digit there are no classes."""
    empty = answer.prepared.problem is not None
    return {
        "status": answer.status,
        "label": answer.label,
        "best": None if empty else answer.best,
        "probability": None if empty else round(answer.probability, 6),
        "runner_up": None if empty else answer.runner_up,
        "runner_up_probability": None if empty else round(answer.runner_up_probability, 6),
    }


class _Writer(ABC):
    """Prints answers; all else that is said goes to stderr."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser

    def say(self, words: str) -> None:
        """Print words that are no answer."""
        print(words, file=sys.stderr, flush=True)

    def begin(self) -> None:
        """Say which model answers."""
        self.say(self.recogniser.origin)
        self.say(describe_threshold(self.recogniser))

    @abstractmethod
    def answer(self, file: str, note: str, answer: Answer) -> None:
        """Print one answer."""

    def end(self) -> None:  # noqa: B027  most have nothing left to print
        """Print what is left."""


@final
class _Table(_Writer):
    def __init__(self, recogniser: Recogniser, files: list[Path]) -> None:
        super().__init__(recogniser)
        names = [_shown(file) for file in files]
        self._width = max(4, min(MAX_NAME, max(map(len, names))))
        self._class = max(6, *map(len, recogniser.predictor.class_names))

    def say(self, words: str) -> None:
        print(words, flush=True)

    def begin(self) -> None:
        super().begin()
        self.say(f"\n{self._row('file', 'answer', 'probability', 'runner-up')}".rstrip())

    def answer(self, file: str, note: str, answer: Answer) -> None:
        comments = [note] if note else []
        name = file if len(file) <= self._width else f"…{file[1 - self._width :]}"
        if answer.prepared.problem:
            row = self._row(name, "none", "", "")
            comments.insert(0, answer.status)
        else:
            if answer.label is None:
                comments.insert(0, f"unsure, looks most like {answer.best}")
            row = self._row(
                name,
                answer.label or "none",
                _share(answer.probability),
                f"{answer.runner_up}  {_share(answer.runner_up_probability)}",
            )
        self.say(f"{row}{'; '.join(comments)}".rstrip())

    def _row(self, file: str, label: str, probability: str, runner_up: str) -> str:
        columns = (f"{file:<{self._width}}", f"{label:<{self._class}}", f"{probability:<11}")
        return "  ".join([*columns, f"{runner_up:<{self._class + 4}}", ""])


@final
class _Csv(_Writer):
    def begin(self) -> None:
        super().begin()
        self._rows = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        self._rows.writeheader()

    def answer(self, file: str, note: str, answer: Answer) -> None:
        self._rows.writerow({"file": file, **record(answer), "note": note})


@final
class _Json(_Writer):
    def begin(self) -> None:
        super().begin()
        self._records: list[dict[str, Any]] = []

    def answer(self, file: str, note: str, answer: Answer) -> None:
        names = self.recogniser.predictor.class_names
        pairs = zip(names, answer.probabilities.tolist(), strict=True)
        probabilities = {name: round(value, 6) for name, value in pairs}
        notes = {"note": note} if note else {}
        classes = {} if answer.prepared.problem else {"probabilities": probabilities}
        self._records.append({"file": file, **record(answer), **classes, **notes})

    def end(self) -> None:
        own = self.recogniser
        whole = {
            "run": own.run.id,
            "threshold": round(own.threshold.value, 6),
            "answers": self._records,
        }
        shows_all = sys.stdout.encoding.lower() == "utf-8"
        print(json.dumps(whole, indent=2, ensure_ascii=not shows_all))


def _writer(settings: Predict, files: list[Path], recogniser: Recogniser) -> _Writer:
    if settings.format == "table":
        return _Table(recogniser, files)
    return (_Csv if settings.format == "csv" else _Json)(recogniser)


def describe_threshold(recogniser: Recogniser) -> str:
    """Return the threshold and how it does, for people."""
    own = recogniser.threshold
    if own.answered == 0:
        made_from = recogniser.calibration.made_from
        return f"no answer below probability {own.value:.3f}: none of {made_from} has one"
    return (
        f"no answer below probability {own.value:.3f}: of {recogniser.calibration.made_from} "
        f"{own.answered:.1%} have one, and {own.right:.1%} of those are right"
    )


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


def _draw(rows: list[Explained], path: Path) -> Path:
    make_folder(path.parent)
    save_picture(explained_sheet(rows), path)
    return path
