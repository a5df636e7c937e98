"""Keeps Python's cycle collector away from the libraries, which are most of a process's objects."""

import atexit
import gc


def pause_gc() -> None:
    """Disable the garbage collector until `resume_gc`, and skip it at the end of the process.

    While libraries are loaded, it would go through the same millions of objects again and again,
    all of which stay.
    """
    gc.disable()
    atexit.register(gc.freeze)


def resume_gc() -> None:
    """Enable it again, for what is made from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
