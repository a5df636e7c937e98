"""Arrays that a training keeps in its working folder, numbered by epoch or step."""

from pathlib import Path

import numpy as np
from torch import Tensor


def keep_array(folder: Path, number: int, values: Tensor) -> None:
    """Write an array of a series, so that a resumed training still has it."""
    folder.mkdir(exist_ok=True)
    draft = folder / f"{number}.draft"
    with draft.open("wb") as file:
        np.save(file, values.numpy(), allow_pickle=False)
    draft.replace(folder / f"{number}.npy")


def kept_arrays(folder: Path) -> dict[int, np.ndarray]:
    """Return the arrays of a series by number, the lowest first."""
    found = sorted((int(p.stem), p) for p in folder.glob("*.npy"))
    return {number: np.load(path, allow_pickle=False) for number, path in found}
