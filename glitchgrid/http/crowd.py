"""Memory is given back when a crowd has left.

Python keeps what it frees for the objects to come: of some kinds until the garbage is collected in full, which happens
the more rarely the more objects there are. A server that has had 10,000 connections would hold what they needed until
the next crowd. Measured with 9,900 idle connections at a vault: 58 MiB before, 71 afterwards, 63 once that was done.
"""

import gc

from twisted.internet.interfaces import IReactorTime

CROWD = 1000
"""So many connections are one."""

LEFT = 10
"""It has left when there are so many times fewer."""

AFTER_S = 1.0
"""Its last ones are still leaving: what they hold is given back, too."""


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
            self._clock.callLater(AFTER_S, gc.collect)
