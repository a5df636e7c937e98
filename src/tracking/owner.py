"""Which process works on a run, written on the run, so that it can be told when that one is dead.

Host, process id and start time are set in the moment a run is created, so no run is ever without
an owner; the start time tells a process from a later one with the same id. Where a clock of the
host or a container of the same name could mislead, the lock in the run's folder has the last word.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

HOST, FOLDER = "owner.host", "owner.folder"
PROCESS, STARTED = "owner.process", "owner.started"


def owner_tags(folder: Path) -> dict[str, str]:
    """Return the tags that make this process the owner of a run; folder: that of its store."""
    own = os.getpid()
    return {
        HOST: platform.node(),
        FOLDER: str(folder),
        PROCESS: str(own),
        STARTED: _start_time(own) or "",
    }


def is_owner_alive(tags: Mapping[str, str]) -> bool:
    """Tell whether the owner named by the tags, a process of this host, is still there."""
    began = _start_time(int(tags[PROCESS]))
    return began is not None and began == tags[STARTED]


def _start_time(process: int) -> str | None:
    """Return when a process was started, in the kernel's words; None where it is dead.

    Linux counts in clock ticks since it was booted (proc_pid_stat(5), field 22), which no change of
    the clock moves; elsewhere only whether the process is there is known, and its start is empty.
    """
    try:
        if not Path("/proc/self/stat").exists():
            os.kill(process, 0)
            return ""
        # in the middle of it is a name, of any bytes
        stat = Path(f"/proc/{process}/stat").read_text(encoding="latin-1")
        fields = stat.rpartition(") ")[2].split()
    except (ProcessLookupError, FileNotFoundError):
        return None
    except PermissionError:  # it is there, and somebody else's
        return ""
    return None if fields[0] in "ZX" else fields[19]
