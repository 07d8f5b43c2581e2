"""What day it is, by a machine's clock: the class methods of `datetime` that read one.

`datetime.datetime` and `datetime.date` are written in C. They refuse new attributes. Other classes cannot take their
place, for `isinstance` and pickles of before would know them no more. So the methods are replaced in the dictionaries
that the classes themselves look into.
"""

import ctypes
import gc
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.seam import Function, Patch, Seam

MICROSECOND_NS = 1_000
SECOND_US = 1_000_000


class _Methods:
    """The class methods of a class that is written in C, as attributes that can be set."""

    def __init__(self, kind: type) -> None:
        vars(self)["kind"] = kind

    def __getattr__(self, name: str) -> Function:
        method = vars(self.kind)[name]

        def call(kind: type, *arguments: Any, **named: Any) -> Any:
            return method.__get__(None, kind)(*arguments, **named)

        call.__name__, call.__qualname__, call.__module__ = name, f"{self.kind.__name__}.{name}", self.kind.__module__
        call.__doc__ = method.__doc__
        return call

    def __setattr__(self, name: str, function: Function) -> None:
        """:raises RuntimeError: if this Python keeps methods elsewhere."""
        if sys.implementation.name == "cpython":
            (dictionary,) = gc.get_referents(vars(self.kind))  # of which vars() shows a read-only view
            dictionary[name] = classmethod(function)
            ctypes.pythonapi.PyType_Modified(ctypes.py_object(self.kind))  # methods are cached, for each class
        if getattr(getattr(self.kind, name), "__func__", None) is not function:
            raise RuntimeError(
                f"{self.kind.__name__}.{name} cannot be the world's in this Python, {sys.version}: "
                "what is read from it is the real date"
            )


_DATE = _Methods(date)
_DATETIME = _Methods(datetime)


def put_in(seam: Seam, wall_ns: Callable[[], int]) -> None:
    """Patch `datetime.now`, `datetime.utcnow` and `date.today`, which is `datetime.today`, too.

    :param wall_ns: the time of day of the process whose code runs, since 1970; until the year 2242.
    :raises RuntimeError: if this Python's classes cannot be patched.
    """
    from_timestamp = vars(datetime)["fromtimestamp"]  # a subclass may have one of its own, which `now` does not call
    real_utcnow = seam.original(_DATETIME, "utcnow")

    def now(kind: type[datetime], tz: tzinfo | None = None) -> datetime:
        # Rounded down, as the original does. A float tells microseconds apart until that year.
        at = wall_ns() // MICROSECOND_NS / SECOND_US
        answer: datetime = from_timestamp.__get__(None, kind)(at, tz)
        return answer

    def utcnow(kind: type[datetime]) -> datetime:
        real_utcnow(datetime)  # warns that it is deprecated, from Python 3.12 on
        at = now(datetime, UTC)
        return kind(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, None)

    def today(kind: type[date]) -> date:
        return kind.fromtimestamp(wall_ns() / SECOND_NS)

    seam.put_in([Patch(_DATETIME, "now", now), Patch(_DATETIME, "utcnow", utcnow), Patch(_DATE, "today", today)])
