"""Looks at the data before any model: rows, a pixel column, class balance, nine images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from src.cli.entry import run_verb
from src.cli.overrides import choices, resolved
from src.config.plan import Component, ConfigValidator
from src.config.settings import Explore
from src.data.source import Dataset, DataSource, LabelledImages
from src.errors import ConfigError
from src.pictures.form import evenly

if TYPE_CHECKING:
    import pandas as pd

NUM_ROWS_SHOWN = 5
EXERCISE_PIXEL = 72
NUM_PIXEL_COLUMNS_SHOWN = 8


def explore(source: DataSource, *, name: str, pixel: int | None, folder: Path) -> None:
    """Print a look at the training and validation images of `source` and draw three pictures.

    name: of the data, for the heading. pixel: a column of the table, where column 0 is the label
    and the pixels are columns 1 to C x H x W. folder: gets the pictures; made where missing.
    Test images are not loaded.
    Raises ConfigError when there is no such pixel column or the folder cannot be written, and
    DataError from the source.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); name another") from error
    dataset = source.load()
    seen = _seen(dataset)
    table = _table(seen, dataset.class_names)
    num_pixels = table.shape[1] - 1
    if pixel is None:
        pixel = EXERCISE_PIXEL if num_pixels >= EXERCISE_PIXEL else num_pixels // 2
    if not 1 <= pixel <= num_pixels:
        raise ConfigError(
            f"explore.pixel={pixel}: must be from 1 to {num_pixels}, the pixel columns of "
            f"data={name} (column 0 is the label)"
        )
    _print_table(table, name=name, image_shape=dataset.train.pixels.shape[1:])
    _print_form(dataset)
    _print_pixel(table, pixel, image_shape=dataset.train.pixels.shape[1:])
    _print_counts(dataset)
    _draw(dataset, seen, folder)


def _table(images: LabelledImages, class_names: tuple[str, ...]) -> "pd.DataFrame":
    """Return the rows as in the file: the label in column 0, the pixels in columns 1, 2, ..."""
    import pandas as pd

    num_pixels = images.pixels[0].size
    table = pd.DataFrame(
        images.pixels.reshape(-1, num_pixels), columns=range(1, num_pixels + 1), copy=False
    )
    table.insert(0, "label", np.array(class_names)[images.labels])
    return table


def _seen(dataset: Dataset) -> LabelledImages:
    return LabelledImages(
        pixels=np.concatenate([dataset.train.pixels, dataset.validation.pixels]),
        labels=np.concatenate([dataset.train.labels, dataset.validation.labels]),
    )


def _print_table(table: "pd.DataFrame", *, name: str, image_shape: tuple[int, ...]) -> None:
    num_rows, num_columns = table.shape
    size = " x ".join(map(str, image_shape[1:]))
    channels = "" if image_shape[0] == 1 else f" in {image_shape[0]} channels"
    print(f"data={name}: training and validation images (test images are not looked at)")
    print(
        f"table of {num_rows:,} rows x {num_columns:,} columns: the label in column 0, then "
        f"{num_columns - 1:,} pixels 0..255 of an image of {size}{channels}"
    )
    shown = np.linspace(1, num_columns - 1, NUM_PIXEL_COLUMNS_SHOWN + 2).round().astype(int)[1:-1]
    print(f"\nFirst {min(NUM_ROWS_SHOWN, num_rows)} rows, some of the pixel columns:")
    print(table.head(NUM_ROWS_SHOWN)[["label", *dict.fromkeys(shown.tolist())]].to_string())


def _print_form(dataset: Dataset) -> None:
    """Say what the images seem to be, so that a mistake is seen before a training."""
    print(f"\nThe {_form(dataset)}.")
    print("Turned or mirrored images cannot be told: look at first_nine.png (data.transpose=true).")
    for note in dataset.notes:
        print(f"data: {note}")


def _form(dataset: Dataset) -> str:
    low, high = dataset.train.pixels.min(), dataset.train.pixels.max()
    return f"values run from {low} to {high}; {dataset.measured_form.describe()}"


def _print_pixel(table: "pd.DataFrame", pixel: int, *, image_shape: tuple[int, ...]) -> None:
    channel, row, column = (int(at) + 1 for at in np.unravel_index(pixel - 1, image_shape))
    of = "the image" if image_shape[0] == 1 else f"channel {channel}"
    print(f"\nPixel column {pixel} (row {row}, column {column} of {of}):")
    print(table[pixel].describe().round(3).to_string())


def _print_counts(dataset: Dataset) -> None:
    import pandas as pd

    counts = pd.DataFrame(_counts(dataset), index=pd.Index(dataset.class_names, name="class"))
    counts["total"] = counts.sum(axis="columns")
    counts["share"] = (counts["total"] / counts["total"].sum()).map("{:.1%}".format)
    print("\nImages per class:")
    print(counts.to_string())


def _counts(dataset: Dataset) -> dict[str, np.ndarray]:
    splits = {"train": dataset.train, "validation": dataset.validation}
    num_classes = len(dataset.class_names)
    return {
        split: np.bincount(images.labels, minlength=num_classes) for split, images in splits.items()
    }


def _draw(dataset: Dataset, images: LabelledImages, folder: Path) -> None:
    from src.figures.dataset import (
        draw_class_balance,
        draw_first_nine,
        draw_mean_digit_per_class,
    )

    class_names = dataset.class_names
    nine = images.take(evenly(len(images), 9))
    draw_first_nine(
        nine.pixels,
        [class_names[label] for label in nine.labels],
        note=_form(dataset),
        path=folder / "first_nine.png",
    )
    draw_class_balance(_counts(dataset), class_names=class_names, path=folder / "class_balance.png")
    draw_mean_digit_per_class(
        images.pixels,
        images.labels,
        class_names=class_names,
        path=folder / "mean_digit_per_class.png",
    )
    print(f"\nPictures in {folder}: first_nine.png, class_balance.png, mean_digit_per_class.png")


def explore_command(config: DictConfig) -> None:
    """Check the configuration and look at the data it names."""
    source, settings = checked(resolved(config))
    name = choices()["data"]
    explore(source.build(), name=name, pixel=settings.pixel, folder=settings.folder / name)


def checked(config: dict[str, Any]) -> tuple[Component, Explore]:
    """Return where the data comes from and what to look at; raises ConfigError."""
    check = ConfigValidator(config)
    source = check.component("data")
    settings = check.settings(Explore, "explore")
    check.finish()
    return source, settings


if __name__ == "__main__":
    run_verb(explore_command, config_name="explore", check=checked)
