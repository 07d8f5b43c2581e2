"""Ctrl-C and SIGTERM while a run goes on in this very process.

What a signal's handler raises may be raised anywhere, and Twisted catches everything that is raised within its code,
KeyboardInterrupt too: the run would go on, and take it for a bug of the grid. So the handler takes a note, and the run
looks at it between two events, where nobody catches anything.
"""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = False
_of_this_thread = threading.local()


def check() -> None:
    """To be called between two events, and while seeds are waited for.

    :raises KeyboardInterrupt: where somebody has asked for it.
    :raises CancelledError: where what this thread does was given up.
    """
    if _asked:
        raise KeyboardInterrupt
    given_up: threading.Event | None = getattr(_of_this_thread, "given_up", None)
    if given_up is not None and given_up.is_set():
        raise CancelledError


def heed(given_up: threading.Event | None) -> None:
    """In this thread, `check` looks at that, too, from now on."""
    _of_this_thread.given_up = given_up


@contextmanager
def given_up_by(event: threading.Event) -> Iterator[None]:
    """For a block in a thread that does other things afterwards."""
    heed(event)
    try:
        yield
    finally:
        heed(None)


@contextmanager
def heeded() -> Iterator[None]:
    """For a block in which this process runs simulations itself, or is in code that no exception may come into.

    :raises KeyboardInterrupt: at its end, where somebody has asked for it.
    """
    with noted():
        yield
        check()


@contextmanager
def noted() -> Iterator[None]:
    """For a block that has to come to its end: whoever checks afterwards learns what was asked for.

    Signals are the main thread's: in others it is a block like any other.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, _note) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            # Who was told once has something to tidy up, and is not told again.
            signal.signal(number, signal.SIG_IGN if _asked else handler)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A signal's handler, for everything else that a command does: the first signal is a KeyboardInterrupt.

    Where that is raised in a place that swallows it, a note is left for whoever checks.
    """
    global _asked  # noqa: PLW0603 - as below
    if not _asked:
        _asked = True
        raise KeyboardInterrupt


def heed_no_more() -> None:
    """Ignore signals from now on: the command is ending, and the run that it still needs must go on to its end."""
    global _asked  # noqa: PLW0603 - as below
    _asked = False
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603 - signals are the whole process's
    _asked = True
