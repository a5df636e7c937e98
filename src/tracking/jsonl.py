"""Files of lines that only grow: what a power cut leaves half written is no line."""

import os
from pathlib import Path


def drop_half_line(path: Path) -> None:
    """Cut off what stands behind the last line's end.

    The caller keeps others from writing meanwhile.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        whole = end
        while whole > 0:
            file.seek(whole - 1)
            if file.read(1) == b"\n":
                break
            whole -= 1
        if whole < end:
            file.truncate(whole)
            os.fsync(file.fileno())


def append_line(path: Path, line: str) -> None:
    """Add a line, and return when the disk has it."""
    with path.open("ab") as file:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
