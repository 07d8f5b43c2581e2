"""A process may run out of descriptors: then connections wait until there is room, and nothing else goes without.

Twisted would take connections for which there is no descriptor and close them, with three lines in the log for each.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

SAY_EVERY_S = 60.0


class Accepting:
    """Takes connections as long as there is room.

    :param most: so many there is room for; None where it does not matter.
    :param full: is told whenever there is room no more.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, most: int | None, full: Callable[[], object]) -> None:
        self._clock = clock
        self._full = full
        self._most = most
        self._port: Any = None
        self._is_full = False
        self._said_s: float | None = None

    def listens(self, port: Any) -> None:
        """It listens there; None for no more."""
        self._port = port
        if self._most is not None and port is not None:
            port.numberAccepts = 1  # of Twisted's, in one turn: it takes them without a look at whether it still reads

    def has_come(self, connections: int) -> None:
        """There is one more."""
        if self._most is None or self._port is None:
            return
        self._port.numberAccepts = 0  # which is not how many were taken: Twisted would take 20 more the next time
        if connections >= self._most and not self._is_full:
            self._is_full = True
            self._port.stopReading()
            self._full()
            self._say(connections)

    def has_left(self, connections: int) -> None:
        """There is one less."""
        if self._most is not None and self._is_full and connections < self._most:
            self._is_full = False
            if self._port is not None:
                self._port.startReading()

    def _say(self, connections: int) -> None:
        now_s = self._clock.seconds()
        if self._said_s is None or now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            self._log.warn(
                "{connections} connections are open, and there are descriptors for no more: further ones wait"
                " (LimitNOFILE=, ulimit -Hn)",
                connections=connections,
            )
