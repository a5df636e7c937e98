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


def require_every_class(labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    missing = sorted(set(range(len(class_names))) - set(labels.tolist()))
    if missing:
        names = ", ".join(repr(class_names[label]) for label in missing)
        raise DataError(
            f"data: no image of class {names} is among the {len(labels)} to train on; bring more "
            "rows of it, leave it out, or draw another split with data.split_seed"
        )
