"""Which process works on a run, written on the run, so that it can be told when that one is dead.

Host, process id and start time are one tag, set in the moment a run is created, so no run is ever
without an owner; the start time tells a process from a later one with the same id. Where a clock of
the host or a container of the same name could mislead, the lock in the run's folder decides.
"""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

OWNER = "run.owner"


@final
@dataclass(frozen=True)
class Owner:
    """A process, its host, and the folder of the store through which it writes."""

    host: str
    folder: str
    process: int
    started: str

    @property
    def tags(self) -> dict[str, str]:
        """The tag that makes it the owner of a run."""
        return {OWNER: json.dumps(asdict(self))}

    @property
    def is_alive(self) -> bool:
        """Whether it, a process of this host, is still there."""
        began = _start_time(self.process)
        return began is not None and began == self.started


def this_process(folder: Path) -> Owner:
    """Return this process as an owner; folder: that of its store."""
    own = os.getpid()
    return Owner(platform.node(), str(folder), own, _start_time(own) or "")


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    """Return the owner that a run's tags name, None where there is none."""
    return Owner(**json.loads(tags[OWNER])) if OWNER in tags else None


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
