"""What the server loads from which workers are forked: everything that a worker needs."""

from src.process.gc_pause import begin_loading

begin_loading()

import src.search.worker  # noqa: E402, F401
