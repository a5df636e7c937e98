"""How long models take for an image, measured here and now, in turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import final

import numpy as np

from src.models.predictor import Predictor

ROUNDS = 9
IMAGES = 2000


@final
@dataclass(frozen=True)
class Speed:
    """Microseconds per image of a forward pass over many: median, least and most of the rounds."""

    median: float
    least: float
    most: float


def measure(models: Sequence[Predictor], pixels: Sequence[np.ndarray]) -> list[Speed]:
    """Time each model on images of its own kind, uint8 `[N, C, H, W]`, at most 2,000 of them.

    The models take turns, so that what else the machine does falls on all of them; the first
    round only warms up.
    """
    batches = [some[:IMAGES] for some in pixels]
    seconds = np.zeros((ROUNDS + 1, len(models)))
    for number in range(ROUNDS + 1):
        for place, (model, batch) in enumerate(zip(models, batches, strict=True)):
            began = perf_counter()
            model.predict(batch)
            seconds[number, place] = (perf_counter() - began) / len(batch)
    micros = 1e6 * seconds[1:]
    return [
        Speed(float(np.median(times)), float(times.min()), float(times.max())) for times in micros.T
    ]
