"""What this process may use of the machine."""

import os


def available_cores() -> int:
    """Return the number of processor cores this process may use.

    OMP_NUM_THREADS, where a person or a scheduler has set it, then the cores it may run on.
    """
    wished = os.environ.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and int(wished) > 0:
        return int(wished)
    if hasattr(os, "sched_getaffinity"):  # Linux; respects taskset and containers' processor sets
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
