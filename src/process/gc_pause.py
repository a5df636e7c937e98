"""Keeps Python's cycle collector away from the libraries, which are most of a process's objects."""

import atexit
import gc


def begin_loading() -> None:
    """Search for no garbage until `loaded`, nor at the end of the process.

    While libraries are loaded, the collector would go through the same millions of objects again
    and again, all of which stay.
    """
    gc.disable()
    atexit.register(gc.freeze)


def loaded() -> None:
    """Search for garbage from now on, among what is made from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
