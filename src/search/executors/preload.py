"""What the server loads from which workers are forked: everything that a worker needs."""

from src.process.gc_pause import pause_gc

pause_gc()

import src.search.worker  # noqa: E402, F401
