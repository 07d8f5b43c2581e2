"""TCP sockets as open files: what is behind `socket.socket` for a stream between machines.

What is behind a connection is in `glitchgrid.simulation.connection`: a socket outlives the program's interest in it,
and what was sent before `close` is delivered.
"""

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from glitchgrid.simulation.connection import End
from glitchgrid.simulation.kernel.addresses import Where, is_any, told
from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, RDHUP, OpenFile, error
from glitchgrid.simulation.kernel.handshake import KEEPALIVE, Handshake
from glitchgrid.simulation.kernel.socket_file import InternetFile, Received
from glitchgrid.simulation.kernel.stack import Ports, Stack

BACKLOG_MAX = socket.SOMAXCONN


class Tcp(InternetFile):
    """:ivar end: this end of its connection; None before there is one."""

    def __init__(self, stack: Stack, family: int = socket.AF_INET) -> None:
        super().__init__(stack, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.end: End | None = None
        self._queue: deque[Tcp] | None = None
        self._backlog = 0
        self._expected = 0
        self._has_failed = False
        self._is_told = False

    @property
    def _ports(self) -> "Ports[Tcp]":
        return self.stack.tcp

    # What programs ask of it.

    def listen(self, backlog: int) -> None:
        if self.end is not None or self.is_connecting:
            raise error(errno.EINVAL)
        if not self._has_port:
            self.take_port(self.local)
        if self._queue is None:
            if any(each.is_listening for each in self._ports.at(self.local)):
                raise error(errno.EADDRINUSE)
            self._queue = deque()
        self._backlog = min(max(0, backlog), BACKLOG_MAX)

    def accept(self) -> "Tcp":
        """:raises OSError: EAGAIN where nobody waits, EINVAL where it does not listen."""
        if self._queue is None:
            raise error(errno.EINVAL)
        if not self._queue:
            raise error(errno.EAGAIN)
        return self._queue.popleft()

    @property
    def has_waiting(self) -> bool:
        return bool(self._queue)

    def connect(self, address: Any, call: str) -> int:
        """Begin to connect. To its own machine it is over at once, as on Linux."""
        where = self.parsed(address, call)
        number = self._state()
        if number is not None:
            return number
        if is_any(where.address):
            where = Where(self.stack.source_for(where.address, self.family), where.port)
        self.name_itself_for(where)
        self.remote = where
        self.is_connecting, self._has_failed = True, False
        Handshake(self, where).begin()
        if self.is_connecting:
            return errno.EINPROGRESS
        self._is_told = True
        return self.take_error()

    def _state(self) -> int | None:
        """What `connect` says where it is not asked for the first time; it is told once how the first time ended."""
        if self._queue is not None:
            return errno.EISCONN
        if self.is_connecting:
            return errno.EALREADY
        if self.end is not None:
            was_told, self._is_told = self._is_told, True
            return errno.EISCONN if was_told else 0
        if self._has_failed and not self._is_told:
            self._is_told = True
            return self.take_error() or errno.ECONNABORTED
        return None

    def remote_name(self) -> Any:
        if self.end is None or self.remote is None or self.end.was_reset:
            raise error(errno.ENOTCONN)
        return told(self.family, self.remote)

    def receive(self, size: int, *, peek: bool = False) -> Received:
        end = self._connected()
        data = end.peek(size) if peek else end.read(size)
        if data or end.has_ended or not size:
            return Received(data, len(data))
        self.raise_error()
        if end.was_reset:
            return Received(b"", 0)
        raise error(errno.EAGAIN)

    def send(self, data: bytes, _address: Any = None, _files: Sequence[OpenFile] = ()) -> int:
        end = self._connected_to_write()
        self.raise_error()
        if end.has_finished or end.was_reset:
            raise error(errno.EPIPE)
        if not end.room and data:
            raise error(errno.EAGAIN)
        taken = bytes(data[: end.room])
        end.write(taken)
        return len(taken)

    def shutdown(self, how: int) -> None:
        if self._queue is not None and how != socket.SHUT_WR:
            self._stop_listening()
            return
        end = self._connected()
        if end.was_reset:
            raise error(errno.ENOTCONN)
        if how in {socket.SHUT_WR, socket.SHUT_RDWR}:
            end.finish()
        if how in {socket.SHUT_RD, socket.SHUT_RDWR}:
            end.ignore()
        self.changed()

    @property
    def events(self) -> int:
        if self._queue is not None:
            return IN if self._queue else 0
        failed = ERR if self._error else 0
        if self.end is None:
            if self.is_connecting:
                return 0
            return OUT | HUP | ((IN | RDHUP | failed) if self._has_failed else 0)
        if self.end.was_reset:
            return IN | OUT | HUP | RDHUP | failed
        return self.end.events | failed | (RDHUP if self.end.is_ending else 0)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._stop_listening()
        if self.end is not None:
            self.end.close(reset=self.resets_when_closed)
        self.free_port()

    def reset(self) -> None:
        """Close it, and let the other end know that nobody was there."""
        self.is_closed = True
        if self.end is not None:
            self.end.close(reset=True)

    def vanish(self) -> None:
        self.is_closed = True
        if self.end is not None:
            self.end.vanish()

    # What the network asks of it.

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

    def fail(self, number: int) -> None:
        self._has_failed, self._is_told = True, False
        super().fail(number)

    def expect(self) -> None:
        """One more is about to connect: `take` follows, or `miss`."""
        self._expected += 1

    def miss(self) -> None:
        self._expected -= 1

    def take(self, accepted: "Tcp") -> None:
        """One more has connected, and waits to be accepted."""
        self._expected -= 1
        if self._queue is None:
            accepted.reset()
            return
        self._queue.append(accepted)
        self.changed()

    def offspring(self, local: Where, remote: Where) -> "Tcp":
        """The socket of one more connection, of this one's family."""
        made = Tcp(self.stack, self.family)
        made.local, made.remote = local, remote
        if KEEPALIVE in self.options:
            made.options[KEEPALIVE] = self.options[KEEPALIVE]
        return made

    def connected(self, end: End) -> None:
        self.is_connecting = False
        self.end = end
        end.socket = self
        self.changed()

    def _stop_listening(self) -> None:
        queue, self._queue = self._queue, None
        for waiting in queue or ():
            waiting.reset()

    def _connected(self) -> End:
        if self.end is None:
            raise error(self.take_error() or (errno.EAGAIN if self.is_connecting else errno.ENOTCONN))
        return self.end

    def _connected_to_write(self) -> End:
        if self.end is None and not self.is_connecting and not self._error:
            raise error(errno.EPIPE)
        return self._connected()
