"""`python -m src.predict`: recognise the digits in pictures or a table with a tracked model."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import quote_model, resolved
from src.config.plan import ConfigValidator
from src.config.settings import ModelSelection, Predict, TableReading, Tracking
from src.errors import ConfigError, UserError
from src.process.gc_pause import resume_gc

WITH_VALUE = frozenset({"-h", "--help", "-c", "--cfg", "--config-dir"})
"""Flags that take the word after them."""


def predict_command(config: DictConfig, *, paths: list[Path]) -> None:
    """Answer for every picture and row; a picture that cannot be read does not stop the others."""
    tracking, asked, settings, reading = make_request(resolved(config))
    if not paths and settings.export is None:
        raise ConfigError(
            "name at least one picture, folder or table: python -m src.predict digit.png; "
            "or export=digits.html"
        )
    # loaded only now, so that a mistake on the command line is answered at once
    from src.pictures.reading import is_table, picture_files

    tables = [path for path in paths if is_table(path)]
    files = [file for file in picture_files(paths) if file not in tables]
    if settings.format == "kaggle" and (files or len(tables) != 1):
        raise ConfigError("`format`=kaggle: answers one table; python -m src.predict test.csv")
    if settings.explain and tables:
        raise ConfigError(
            f"`explain`=true: draws what became of pictures; the images of {tables[0]} go into the "
            "network as they are, fix: leave it out"
        )
    from src.inference.recogniser import load_recogniser
    from src.tracking.queries import StoredRuns
    from src.tracking.store import open_existing_store

    if settings.export is not None:
        from src.inference.export import require_free

        require_free(settings.export)
    stored = StoredRuns(open_existing_store(tracking))
    recogniser = load_recogniser(stored, model=asked.run, threshold=settings.threshold)
    resume_gc()
    print_any_name()
    problems: list[str] = []
    if paths:
        from src.inference.output import answer_all

        folder = tracking.folder / "predict"
        problems = answer_all(files, tables, recogniser, settings, reading=reading, folder=folder)
    if settings.export is not None:
        if settings.export.suffix == ".html":
            from src.inference.standalone import export_page

            said = export_page(recogniser, settings.export)
        else:
            from src.inference.export import export_onnx

            said = export_onnx(recogniser, settings.export)
        print(said, file=sys.stdout if settings.format == "table" else sys.stderr)
    if problems:
        raise UserError(*problems)


def print_any_name() -> None:
    """Let a terminal that has not got a sign of a class's name show another in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def make_request(
    config: dict[str, Any],
) -> tuple[Tracking, ModelSelection, Predict, TableReading]:
    """Return what a configuration asks for; raises ConfigError with every problem in it."""
    check = ConfigValidator({**config, "": {key: config[key] for key in Predict.model_fields}})
    tracking = check.tracked()
    asked = check.settings(ModelSelection, "model")
    settings = check.settings(Predict, "")
    reading = check.settings(TableReading, "data")
    check.finish()
    return tracking, asked, settings, reading


def split_arguments(arguments: list[str]) -> tuple[list[str], dict[str, list[Path]]]:
    """Return what is for Hydra, and the pictures and folders among the arguments.

    Whatever is there is a picture, even with a `=` in its name. Raises ConfigError where data is
    named as for a training.
    """
    paths: list[Path] = []
    others: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument.startswith("-") or before in WITH_VALUE:
            others.append(argument)
        elif "=" not in argument or os.path.exists(argument):  # noqa: PTH110
            paths.append(Path(argument))
        elif argument.startswith("data="):
            raise ConfigError(
                f"`{argument}`: a table is named alone, as python -m src.predict test.csv; "
                "data.label=, data.max_value= and data.transpose= say how it is read"
            )
        else:
            others.append(argument)
    return quote_model(others), {"paths": paths}


if __name__ == "__main__":
    run_verb(predict_command, config_name="predict", check=make_request, read=split_arguments)
