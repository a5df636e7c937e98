"""Latency and throughput of prediction, PyTorch and ONNX: one image, a thousand, a picture."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from src.config.settings import Tracking
from src.data.mnist import Mnist
from src.inference.export import export_onnx
from src.inference.recogniser import Recogniser, load_recogniser
from src.pictures.reading import picture_from_array
from src.process.machine import available_cores
from tests.benchmarks.robustness import SIDE, guised, plain
from tests.inference.conftest import recognise
from tests.plans import plan_of, stored_runs, train_plan

REPEATS = 200
QUANTILES = (0.05, 0.95)


def main() -> None:
    """Print microseconds a call and images a second for every way to predict."""
    print(f"prediction, 784-256-128-10, {available_cores()} threads")
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(folder=Path(folder) / "mlruns")
        plan = plan_of("model=dnn", f"tracking.folder={tracking.folder}", "trainer.max_epochs=1")
        train_plan(plan, evaluate_on_test_set=False)
        recogniser = load_recogniser(stored_runs(tracking))
        exported = Path(folder) / "digits.onnx"
        export_onnx(recogniser, exported)
        pixels = Mnist(rows=20_000).load().validation
        for rows in (1, 1_000):
            compare(recogniser, exported, pixels.pixels[:rows])
    pictures = [page for page, _ in guised(pixels.pixels[:50], pixels.labels[:50], plain)]
    seconds = [clock(partial(recognise, recogniser, picture_from_array(page))) for page in pictures]
    say(f"a {SIDE} x {SIDE} picture, preprocessing included", seconds, images=1)


def compare(recogniser: Recogniser, file: Path, pixels: np.ndarray) -> None:
    """Time PyTorch and ONNX in turn on the same images, and check that they agree."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def with_torch() -> np.ndarray:
        return recogniser.predictor.predict(pixels)

    def with_onnx() -> np.ndarray:
        return session.run(None, {"images": pixels.astype(np.float32) / 255})[0]

    np.testing.assert_allclose(with_torch(), with_onnx(), atol=1e-5)
    seconds: dict[str, list[float]] = {"PyTorch": [], "ONNX": []}
    for _ in range(REPEATS):
        seconds["PyTorch"].append(clock(with_torch))
        seconds["ONNX"].append(clock(with_onnx))
    for name, values in seconds.items():
        say(f"{name}, a batch of {len(pixels):,}", values, images=len(pixels))
    ratio = median(seconds["ONNX"]) / median(seconds["PyTorch"])
    print(f"  {'ONNX against PyTorch':<52}x {ratio:.2f} the time")


def clock(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def say(name: str, seconds: list[float], *, images: int) -> None:
    """Print the median of a call with its 5 % and 95 % quantiles, and images a second."""
    low, high = np.quantile(seconds, QUANTILES) * 1e6
    middle = median(seconds)
    print(
        f"  {name:<52}{middle * 1e6:10,.0f} µs a call ({low:,.0f} to {high:,.0f}), "
        f"{images / middle:,.0f} images a second",
        flush=True,
    )


if __name__ == "__main__":
    main()
