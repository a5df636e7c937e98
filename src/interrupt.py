"""A person's or a scheduler's wish to stop, heard between two minibatches."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final


class Halted(BaseException):
    """A training is ended before its time, on purpose; the message is the reason.

    No Exception, so that nobody takes it for a failure and goes on.
    """


@final
class Interrupted(Halted):
    """SIGINT or SIGTERM asked the program to end; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


@final
class StopRequest:
    """Remembers the first signal; work asks `check` where it can be left tidily."""

    def __init__(self) -> None:
        self._signum: int | None = None

    @property
    def interrupted(self) -> Interrupted | None:
        """What to raise, once a signal has come."""
        return Interrupted(self._signum) if self._signum is not None else None

    def check(self) -> None:
        """Raise Interrupted once a signal has come."""
        if self._signum is not None:
            raise Interrupted(self._signum)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is not None:
            os._exit(128 + signum)  # asked twice: leave at once
        self._signum = signum


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, the first SIGINT or SIGTERM sets the request, the second ends the process."""
    request = StopRequest()
    signums = (signal.SIGINT, signal.SIGTERM)
    before = {signum: signal.signal(signum, request._receive) for signum in signums}
    try:
        yield request
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
