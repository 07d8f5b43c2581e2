"""Ctrl-C and SIGTERM while a run goes on in this very process.

What a signal's handler raises may be raised anywhere, and Twisted catches everything that is raised within its code,
KeyboardInterrupt too: the run would go on, and take it for a bug of the grid. So the handler takes a note, and the run
looks at it between two events, where nobody catches anything.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = False


def check() -> None:
    """Between two events.

    :raises KeyboardInterrupt: where somebody has asked for it.
    """
    if _asked:
        raise KeyboardInterrupt


@contextmanager
def heeded() -> Iterator[None]:
    """For a command that makes runs itself: in the main thread, and nothing but runs within."""
    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    try:
        yield
        check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(_number: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603 - signals are the whole process's
    _asked = True
