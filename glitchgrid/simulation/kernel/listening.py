"""Sockets that listen for connections: who waits at them to be accepted, and for how many there is room."""

import errno
import socket
from collections import deque
from typing import Any, Protocol

from glitchgrid.simulation.kernel.addresses import Where
from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.socket_file import InternetFile
from glitchgrid.simulation.kernel.stack import Stack

BACKLOG_MAX = socket.SOMAXCONN


class Resettable(Protocol):
    """A connection that nobody has accepted yet."""

    def reset(self) -> None:
        """Close it, and let the other end know that nobody was there."""


class ListeningFile(InternetFile):
    """A socket that may listen.

    :ivar listens_since_ns: in the world's time.
    """

    def __init__(self, stack: Stack, family: int, kind: int, proto: int) -> None:
        super().__init__(stack, family, kind, proto)
        self._queue: deque[Any] | None = None
        self._backlog = 0
        self._expected = 0
        self.listens_since_ns = 0

    @property
    def _may_listen(self) -> bool:
        """Whether there is nothing else that it does."""
        raise NotImplementedError

    def listen(self, backlog: int) -> None:
        if not self._may_listen:
            raise error(errno.EINVAL)
        if not self._has_port:
            self.take_port(Where(self.local.address, 0))
        if self._queue is None:
            if any(each.is_listening for each in self._ports.at(self.local)):
                raise error(errno.EADDRINUSE)
            self._queue = deque()
            self.listens_since_ns = self.stack.host.world.now_ns
        self._backlog = min(max(0, backlog), BACKLOG_MAX)

    def accept(self) -> Any:
        """:raises OSError: EAGAIN where nobody waits, EINVAL where it does not listen."""
        if self._queue is None:
            raise error(errno.EINVAL)
        if not self._queue:
            raise error(errno.EAGAIN)
        return self._queue.popleft()

    @property
    def has_waiting(self) -> bool:
        return bool(self._queue)

    @property
    def is_listening(self) -> bool:  # type: ignore[override]
        return self._queue is not None

    @property
    def has_room(self) -> bool:
        """May one more connection come about? Linux takes one more than the backlog.

        Those whose handshake goes on count, too. (Linux counts them when it ends, and then lets the client believe that
        it is connected.)
        """
        return self._queue is not None and len(self._queue) + self._expected <= self._backlog

    def expect(self) -> None:
        """One more is about to connect: `take` follows, or `miss`."""
        self._expected += 1

    def miss(self) -> None:
        self._expected -= 1

    def take(self, accepted: Resettable) -> None:
        """One more has connected, and waits to be accepted."""
        self._expected -= 1
        if self._queue is None:
            accepted.reset()
            return
        self._queue.append(accepted)
        self.changed()

    def _stop_listening(self) -> None:
        queue, self._queue = self._queue, None
        for waiting in queue or ():
            waiting.reset()
