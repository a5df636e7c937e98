"""What this process may use of the machine."""

import os


def available_cores() -> int:
    """Return the number of processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' processor sets
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
