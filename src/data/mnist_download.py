"""Fetches the four official MNIST files into a folder, once, and verifies them on every read."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from src.data.mnist_origins import ORIGINS, Origin, OriginFailed, PlacedByHand
from src.errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress

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


def read_files(
    folder: Path, names: Sequence[str], *, origins: Sequence[Origin] = ORIGINS
) -> list[bytes]:
    """Return the contents of the IDX files `names` in `folder`, each equal to the official one.

    Of the files in the folder only `names` are opened. What is missing, of all four, and what is
    damaged, of `names`, is fetched first from the first of `origins` that has it.
    Raises DataError when no origin answers or the folder cannot be used.
    """
    intact = _read_intact(folder, names)
    if _wanted(folder, names, intact):
        with _one_process_at_a_time(folder):
            intact = _read_intact(folder, names)  # another process may have fetched meanwhile
            wanted = _wanted(folder, names, intact)
            intact |= _fetch(folder, wanted, origins)
    return [intact[name] for name in names]


def _read_intact(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    intact = {}
    for name in names:
        try:
            raw = (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(
                f"data.cache_dir: {folder / name} cannot be read ({error.strerror}); "
                "cure: make it readable, or name another folder with data.cache_dir=FOLDER"
            ) from error
        if _is_official(name, raw):
            intact[name] = raw
    return intact


def _is_official(name: str, raw: bytes) -> bool:
    return hashlib.sha256(raw).hexdigest() == SHA256[name]


def _wanted(folder: Path, names: Sequence[str], intact: dict[str, bytes]) -> list[str]:
    return [
        name
        for name in SHA256
        if (name not in intact if name in names else not (folder / name).exists())
    ]


@contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _not_writable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"data.cache_dir: {folder} cannot be written ({error.strerror or error}); "
        "cure: name a folder that can be with data.cache_dir=FOLDER"
    )


def _fetch(folder: Path, wanted: list[str], origins: Sequence[Origin]) -> dict[str, bytes]:
    """Write the files `wanted` into `folder`, from the first origin that has them; return them."""
    _announce(folder, wanted)
    fetched: dict[str, bytes] = {}
    failures = []
    with _progress() as progress:
        for origin in (PlacedByHand(folder), *origins):
            missing = [name for name in wanted if name not in fetched]
            if not missing:
                break
            try:
                for name, raw in origin.fetch(missing, progress):
                    if not _is_official(name, raw):
                        raise OriginFailed(f"its {name} is not the official file")
                    _write(folder / name, raw)
                    fetched[name] = raw
            except OriginFailed as failure:
                failures.append(f"{origin} ({failure})")
    if len(fetched) < len(wanted):
        raise _unavailable(folder, failures)
    return fetched


def _announce(folder: Path, wanted: list[str]) -> None:
    damaged = [name for name in wanted if (folder / name).exists()]
    for name in damaged:
        _say(f"{folder / name} is damaged (not the official SHA-256): fetching it again")
    if len(damaged) < len(wanted):
        _say(f"MNIST is not complete in {folder}: fetching {len(wanted) - len(damaged)} files")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _write(path: Path, raw: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(raw)
        part.replace(path)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unavailable(folder: Path, failures: list[str]) -> DataError:
    return DataError(
        f"data: MNIST is not complete in {folder} and could not be fetched; "
        f"tried {', '.join(failures)}; cure: connect once, or place the four files "
        f"{', '.join(SHA256)} (or each of them with .gz) in {folder} by hand"
    )
