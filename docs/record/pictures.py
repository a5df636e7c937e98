"""The documents' pictures: copies of what runs have drawn, and the weights set in motion."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from docs.record.animation import save_animation
from docs.record.recipes import SWEEP, recipe_plan
from docs.record.record import RECORD
from src.config.plan import Plan
from src.data.source import Dataset
from src.figures.sheet import Tile, sheet
from src.figures.weights import shared_scale_limit, weight_sheet
from src.stats.autocorrelation import order_units
from src.tracking.queries import StoredRuns
from src.training.fit import build_classifier, fit
from src.training.progress import EpochReporter

IMAGES = RECORD.parents[1] / "images"
SEED = 1
"""Of the runs that are shown."""

COPIES = {
    "exercise_linear": {
        "learning_curves": "exercise_linear_curves",
        "confusion_matrix": "exercise_linear_confusion",
        "weights_over_training": "exercise_linear_weights",
    },
    "exercise_dnn": {"weights_over_training": "exercise_dnn_weights"},
}
FOUND = {"weights_over_training": "exercise_found_weights"}
"""Figures of the best trial of the search."""

MOVING = ("exercise_linear", "exercise_dnn")
STEPS = (0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158, 200, 251, 316,
         398, 501, 631, 794, 1000)  # fmt: skip
"""Minibatch steps that are frames: about ten for each power of ten."""

UNITS_SHOWN = 10


def redraw(stored: StoredRuns, new: pd.DataFrame) -> list[Path]:
    """Make the pictures of runs that are new in the record; return their files."""
    changed = []
    shown = new[(new["kind"] == "training") & (new["seed"] == SEED)]
    for run_id, recipe in zip(shown["run_id"], shown["configuration"], strict=True):
        changed += _copy(stored, run_id, COPIES.get(recipe, {}))
    trials = new[(new["configuration"] == SWEEP) & (new["kind"] == "trial")]
    if not trials.empty:
        best = trials.iloc[int(trials["val_accuracy"].to_numpy().argmax())]
        changed += _copy(stored, best["run_id"], FOUND)
    if shown["configuration"].isin(MOVING).any():
        changed.append(animate(IMAGES / "weights.webp"))
    return changed


def _copy(stored: StoredRuns, run_id: str, figures: dict[str, str]) -> list[Path]:
    """Copy figures of a run, in 256 colours, which are enough and half as large."""
    copies = []
    with tempfile.TemporaryDirectory() as folder:
        for figure, name in figures.items():
            source = stored.file(run_id, f"figures/{figure}.png", Path(folder))
            copies.append(IMAGES / f"{name}.png")
            few = Image.open(source).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            few.save(copies[-1], optimize=True)
    return copies


def animate(path: Path) -> Path:
    """Train the shown runs once more, for their weights at every frame's step; write the animation.

    The same seed gives the same weights as the tracked runs have.
    """
    sheets = [_sheets(recipe_plan(name, seed=SEED)) for name in MOVING]
    save_animation([_page(parts) for parts in zip(*sheets, strict=True)], path)
    return path


def _page(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.asarray(sheet([[Tile(Image.fromarray(part))] for part in parts]))


def _sheets(plan: Plan) -> list[np.ndarray]:
    """Return the first layer as a sheet, uint8 RGB `[H, W, 3]`, for each of STEPS."""
    dataset = plan.data.build().load()
    weights, is_linear = _weights(plan, dataset)
    used = dataset.pixels_used
    return [
        weight_sheet(
            weights[step],
            title=f"{plan.choices['model']}, step {step:,}",
            order=order_units(weights[STEPS[-1]], pixels_used=used),
            most_units=UNITS_SHOWN,
            scale_limit=shared_scale_limit(*weights.values()),
            class_names=dataset.class_names if is_linear else None,
            pixels_used=used,
        )
        for step in STEPS
    ]


def _weights(plan: Plan, dataset: Dataset) -> tuple[dict[int, np.ndarray], bool]:
    """Return float32 `[U, C, H, W]` by step, and whether the model is linear."""
    classifier = build_classifier(plan, dataset)
    seen: dict[int, np.ndarray] = {}

    def look() -> None:  # before each minibatch
        if classifier.steps in STEPS:
            keep()

    def keep() -> None:
        layer = classifier.first_layer()
        assert layer is not None
        seen[classifier.steps] = layer.numpy().reshape(-1, *dataset.train.pixels.shape[1:])

    with tempfile.TemporaryDirectory() as folder:
        fit(
            classifier,
            plan,
            dataset,
            folder=Path(folder),
            log_epoch=lambda epoch, metrics: None,
            reporter=EpochReporter(),
            check_stop=look,
        )
    keep()  # after the last one
    return seen, classifier.is_linear
