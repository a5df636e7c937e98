"""How well a tracked model reads pictures nobody trained on: the table of docs/results.md.

`python -m tests.benchmarks.robustness [model=RUN_ID]`, the model as for `src.predict`. The look at
MNIST's test images is counted on the run.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from src.config.settings import Tracking
from src.data.mnist import Mnist
from src.inference.recogniser import Recogniser, load_recogniser
from src.pictures.reading import picture_from_array
from src.stats.intervals import wilson_interval
from src.tracking.runs import existing_run
from src.tracking.store import open_store
from tests.benchmarks.unusual_forms import UNUSUAL, drawn
from tests.inference.conftest import recognise
from tests.plans import stored_runs

SIDE = 200
SAMPLE = 2_000
"""MNIST test images, the first ones, for every guise but the plain 200 x 200 pictures."""
JITTERS = 3
NOT_TEXT = (
    "Emoji",
    "Symbol",
    "cmex",
    "cmsy",
    "cmmi",
    "Sym",
    "SizOneSym",
    "Display",
    "NonUni",
    "LastResort",
)

Case = Iterator[tuple[np.ndarray, str]]


def main() -> None:
    """Print the table in Markdown."""
    asked = next((a.removeprefix("model=") for a in sys.argv[1:] if a.startswith("model=")), None)
    tracking = Tracking()
    recogniser = load_recogniser(stored_runs(tracking), model=asked)
    existing_run(open_store(tracking), recogniser.run.id).count_test_evaluation()
    test = Mnist().load_test()
    fonts = font_files()
    print(f"{recogniser.run.name}, threshold {recogniser.threshold.value:.3f}, "
          f"{len(fonts)} fonts: {', '.join(font.stem for font in fonts)}\n")  # fmt: skip
    print("| pictures | number | right | answered | right of the answered |")
    print("|---|---|---|---|---|")
    cases: dict[str, Case] = {
        "MNIST test images as they are": as_they_are(test.pixels, test.labels),
        "the same as 200 x 200 pictures": guised(test.pixels, test.labels, plain),
        f"the first {SAMPLE:,} as they are": as_they_are(
            test.pixels[:SAMPLE], test.labels[:SAMPLE]
        ),
    }
    for name, guise in GUISES.items():
        cases[f"these {name}"] = guised(test.pixels[:SAMPLE], test.labels[:SAMPLE], guise)
    cases["scikit-learn's 8 x 8 digits as 160 x 160"] = small_digits()
    cases[f"printed digits of {len(fonts)} fonts, {JITTERS} jitters each"] = printed(fonts)
    cases |= {f"drawn by program: {form}": drawn(form) for form in UNUSUAL}
    for name, case in cases.items():
        print(f"| {name} | {row(recogniser, case)} |", flush=True)


def row(recogniser: Recogniser, case: Case) -> str:
    """Return the cells of a table's row; pictures without an answer count as wrong at first."""
    right, answered, right_answered, total = 0, 0, 0, 0
    for pixels, label in case:
        answer = recognise(recogniser, picture_from_array(pixels))
        total += 1
        right += answer.prepared.problem is None and answer.best == label
        answered += answer.label is not None
        right_answered += answer.label == label
    return " | ".join(
        [
            f"{total:,}",
            share(right, total),
            f"{answered / total:.1%}",
            share(right_answered, answered),
        ]
    )


def share(part: int, total: int) -> str:
    """Return a share with its 95 % Wilson interval."""
    low, high = wilson_interval(part, total)
    value = part / total if total else float("nan")
    return f"{value:.2%} ({low:.2%} to {high:.2%})"


def as_they_are(pixels: np.ndarray, labels: np.ndarray) -> Case:
    """Yield the images in the form of the training images."""
    yield from zip(pixels[:, 0], map(str, labels), strict=True)


def guised(pixels: np.ndarray, labels: np.ndarray, guise: Callable) -> Case:
    """Yield 200 x 200 pictures of the images, each in its guise."""
    rng = np.random.default_rng(0)
    for image, label in zip(pixels[:, 0], labels, strict=True):
        large = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        yield guise(np.asarray(large) / 255, rng), str(label)


def in_bytes(values: np.ndarray) -> np.ndarray:
    return (values * 255).round().clip(0, 255).astype(np.uint8)


def plain(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return in_bytes(large)


def inverted(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return in_bytes(1 - large)


def coloured(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two random colours that differ by 0.4 or more in some channel."""
    paper, ink = rng.uniform(0, 1, (2, 3))
    while np.abs(paper - ink).max() < 0.4:
        paper, ink = rng.uniform(0, 1, (2, 3))
    return in_bytes(paper + (ink - paper) * large[..., np.newaxis])


def noisy(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast 0.6 with normal noise of 0.1 on every pixel."""
    return in_bytes(0.2 + 0.6 * large + rng.normal(0, 0.1, large.shape))


def rotated(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 15 degrees either way."""
    turned = Image.fromarray(in_bytes(large)).rotate(
        rng.uniform(-15, 15), resample=Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def unevenly_lit(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark on light, the light falling off from a random side to 0.35 and 0.95, slight noise."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.65 + 0.3 * (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
    return in_bytes((1 - 0.75 * large) * light + rng.normal(0, 0.015, large.shape))


def in_shadow(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark on light, a shadow that takes 40 % of the light across a random part of the picture."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    edge = 20 * (np.cos(angle) * x + np.sin(angle) * y - offset)
    light = 0.9 - 0.36 / (1 + np.exp(-edge))
    return in_bytes((1 - 0.8 * large) * light + rng.normal(0, 0.015, large.shape))


GUISES = {
    "dark on light": inverted,
    "in two random colours": coloured,
    "noisy": noisy,
    "unevenly lit": unevenly_lit,
    "across the edge of a shadow": in_shadow,
    "rotated by up to 15 degrees": rotated,
}


def small_digits() -> Case:
    """Yield scikit-learn's digits, twenty times as large."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for image, label in zip(digits.images, digits.target, strict=True):
        small = Image.fromarray(in_bytes(image / 16))
        large = small.resize((160, 160), Image.Resampling.BICUBIC)
        framed = Image.new("L", (240, 240))
        framed.paste(large, (40, 40))
        yield np.asarray(framed), str(label)


def font_files() -> list[Path]:
    """Return the fonts of text that matplotlib and the system have, one file a name."""
    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    try:
        listed = subprocess.run(["fc-list", ":", "file"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        listed = ""
    system = [Path(line.strip().rstrip(":")) for line in listed.splitlines()]
    named = {f.stem: f for f in [*own.glob("*.ttf"), *system] if f.suffix in {".ttf", ".otf"}}
    return [named[stem] for stem in sorted(named) if not any(part in stem for part in NOT_TEXT)]


def printed(fonts: list[Path]) -> Case:
    """Yield each digit in each font, moved, turned by up to 10 degrees, 50 to 120 pixels high."""
    rng = np.random.default_rng(0)
    for font in fonts:
        for digit in "0123456789":
            for _ in range(JITTERS):
                face = ImageFont.truetype(str(font), int(rng.integers(70, 170)))
                page = Image.new("L", (SIDE, SIDE), 255)
                at = tuple(SIDE / 2 + rng.uniform(-15, 15, 2))
                ImageDraw.Draw(page).text(at, digit, font=face, fill=0, anchor="mm")
                turned = page.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC, fillcolor=255)
                yield np.asarray(turned), digit


if __name__ == "__main__":
    main()
