"""Turns SIGINT, SIGTERM and SIGHUP into a request to stop that trainings ask for."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType
from typing import final

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a program to end."""
DEBOUNCE_S = 0.02
"""A signal that comes again so soon is the same wish: `timeout` signals a process and its group."""


class Halted(BaseException):
    """A training is ended before its time, on purpose; the message is the reason.

    A BaseException, so that `except Exception` does not swallow it. outcome: what is then said of
    the training.
    """

    outcome = "interrupted"


@final
class Interrupted(Halted):
    """SIGINT, SIGTERM or SIGHUP asked the program to end; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


@final
class StopRequest:
    """Remembers the first signal; work asks `check` where it can be left tidily."""

    def __init__(self) -> None:
        self._signum: int | None = None
        self._heard = 0.0
        self._screens = [output for output in (1, 2) if os.isatty(output)]

    @property
    def interrupted(self) -> Interrupted | None:
        """What to raise, once a signal has come."""
        return Interrupted(self._signum) if self._signum is not None else None

    def check(self) -> None:
        """Raise Interrupted once a signal has come."""
        if self._signum is not None:
            raise Interrupted(self._signum)

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Take a signal; the second ends the process at once."""
        if self._signum is not None:
            if signum != signal.SIGHUP and monotonic() - self._heard > DEBOUNCE_S:
                os._exit(128 + signum)  # asked twice: leave at once
            return
        self._signum, self._heard = signum, monotonic()
        if signum == signal.SIGHUP:  # no more screen; a word to it would be an error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for screen in self._screens:
                os.dup2(nowhere, screen)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, the first SIGINT, SIGTERM or SIGHUP sets the request, the second ends at once.

    Where SIGHUP is ignored, as under nohup, it stays so.
    """
    request = StopRequest()
    signums = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signums.append(signal.SIGHUP)  # the terminal was closed, or a connection broke
    before = {signum: signal.signal(signum, request.receive) for signum in signums}
    try:
        yield request
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let signals to the whole group of processes, as Ctrl-C, pass by those that start inside.

    They inherit it. Our own answers to signals are kept, where a library gives its own.
    """
    answers = {signum: signal.getsignal(signum) for signum in ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        for signum, answer in answers.items():
            with suppress(ValueError):  # only the main thread has answers
                signal.signal(signum, answer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
