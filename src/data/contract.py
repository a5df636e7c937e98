"""What the images of every data source must be; DataError says where they are not."""

import numpy as np

from src.errors import DataError


def require_form(pixels: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Raise DataError where a data source does not keep its promise."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise DataError(
            f"data: pixels are {pixels.dtype} of shape {pixels.shape}; a data source must give "
            "uint8 [N, C, H, W], 0..255"
        )
    whole = np.issubdtype(labels.dtype, np.integer) and labels.shape == pixels.shape[:1]
    if not whole or (len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names)):
        raise DataError(
            f"data: labels are {labels.dtype} of shape {labels.shape}; a data source must give a "
            f"whole number from 0 to {len(class_names) - 1} for each of its {len(pixels)} images"
        )


def missing_classes(labels: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """Return the classes of which there is no label, as they are written for people."""
    there = set(labels.tolist())
    return [repr(name) for label, name in enumerate(class_names) if label not in there]


def require_every_class(labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Raise DataError where a class would have no image to train on."""
    missing = ", ".join(missing_classes(labels, class_names))
    if missing:
        raise DataError(
            f"data: no image of class {missing} is among the {len(labels)} to train on; bring more "
            "rows of it, leave it out, or draw another split with data.split_seed"
        )
