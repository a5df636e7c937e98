"""stdout and stderr whose reader may go, and who may not be able to show every sign."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, final

if TYPE_CHECKING:
    from rich.console import Console


def outlast_readers() -> None:
    """Let what is printed be lost where nobody reads it, and show ? for what cannot be shown."""
    sys.stdout = _outlasting(sys.stdout)
    sys.stderr = _outlasting(sys.stderr)


def on_terminal() -> bool:
    """Tell whether a person looks on: neither stdout nor stderr goes into a file or a pipe."""
    return sys.stderr.isatty() and sys.stdout.isatty()


@cache
def screen() -> "Console":
    """Return the console of stderr, one for all.

    rich draws what moves at the same time below each other only on one console.
    """
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being done, where a person looks on; text: at first."""
    if not on_terminal():
        yield lambda text: None
        return
    with screen().status(text) as shown:
        yield shown.update


@final
class _Output(FileIO):
    """A file that takes no offence when the other end of its pipe is closed."""

    def write(self, data: Any, /) -> int:
        """Write the data, to nowhere from the time on when the reader has gone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)


def _outlasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed before the program began
        return Path(os.devnull).open("w", encoding="utf-8")
    assert isinstance(stream, TextIOWrapper)
    output = _Output(stream.fileno(), "wb", closefd=False)
    return TextIOWrapper(
        output if stream.write_through else BufferedWriter(output),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
