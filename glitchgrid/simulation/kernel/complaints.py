"""What is said of exceptions that nobody catches, in Python: the interpreter's own hooks are in C.

They print the lines of the source, and to find out its encoding they read, in C, from the descriptor of the file that
they have opened. In the world that number stands for another file than the real process has there: for a pipe, maybe,
from which nothing comes.
"""

import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from glitchgrid.simulation.kernel.seam import Patch


def patches() -> Iterator[Patch]:
    yield Patch(sys, "__excepthook__", _uncaught)
    yield Patch(sys, "unraisablehook", _unraisable)
    yield Patch(threading, "excepthook", _uncaught_in_thread)


def _uncaught(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /) -> None:
    if sys.stderr is not None:
        traceback.print_exception(kind, error, trace, file=sys.stderr)


def _unraisable(unraisable: Any, /) -> None:
    if sys.stderr is None:
        return
    about = "" if unraisable.object is None else f": {unraisable.object!r}"
    print(f"{unraisable.err_msg or 'Exception ignored in'}{about}", file=sys.stderr)
    _uncaught(unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback)


def _uncaught_in_thread(uncaught: Any, /) -> None:
    if uncaught.exc_type is SystemExit or sys.stderr is None:
        return
    name = threading.get_ident() if uncaught.thread is None else uncaught.thread.name
    print(f"Exception in thread {name}:", file=sys.stderr)
    _uncaught(uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)
