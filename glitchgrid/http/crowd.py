"""Memory is given back when a crowd has left.

Python keeps what it frees for the objects to come: of some kinds until the garbage is collected in full, which happens
the more rarely the more objects there are. And it gives back memory by the mebibyte, if nothing in that is in use: the
cache of attributes that were looked up on types keeps thousands of short strings wherever there was room at the time.
A server that has had 10,000 connections would hold what they needed until the next crowd. ``python -m tests.pressure
--only 10,000`` measures it.
"""

import ctypes
import gc
import sys

from twisted.internet.interfaces import IReactorTime

CROWD = 1000
"""So many connections are one."""

LEFT = 10
"""It has left when there are so many times fewer."""

AFTER_S = (1.0, 30.0)
"""Its last ones are still leaving: what they hold is given back, too. Timers that were set meanwhile end later."""


class Crowds:
    """Is told how many connections there are."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._most = 0

    def has_come(self, connections: int) -> None:
        """There is one more."""
        self._most = max(self._most, connections)

    def has_left(self, connections: int) -> None:
        """There is one less."""
        if self._most >= CROWD and connections * LEFT <= self._most:
            self._most = 0
            for after_s in AFTER_S:
                self._clock.callLater(after_s, give_back)


def give_back() -> None:
    """Drop what is only kept in case that it is wanted again."""
    clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache  # noqa: SLF001
"""The public name for it, since Python 3.13, or that before. What was in it is looked up again."""
