"""TCP sockets as open files: what is behind `socket.socket` for a stream between machines.

What is behind a connection is in `glitchgrid.simulation.connection`: a socket outlives the program's interest in it,
and what was sent before `close` is delivered.
"""

import errno
import socket
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from glitchgrid.simulation.connection import End
from glitchgrid.simulation.kernel.addresses import Where, anywhere, is_any, told
from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, RDHUP, OpenFile, error
from glitchgrid.simulation.kernel.handshake import Handshake
from glitchgrid.simulation.kernel.listening import ListeningFile
from glitchgrid.simulation.kernel.socket_file import Received
from glitchgrid.simulation.kernel.stack import Ports, Stack


class Phase(Enum):
    """How far `connect` has come, as Linux counts it for a socket (`socket_state`)."""

    UNCONNECTED = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    DISCONNECTING = auto()


READS, WRITES = 1, 2
"""The halves of a connection that `shutdown` ends."""

_HALVES = {socket.SHUT_RD: READS, socket.SHUT_WR: WRITES, socket.SHUT_RDWR: READS | WRITES}


class Tcp(ListeningFile):
    """What it answers is Linux's, in the order in which Linux looks (net/ipv4/tcp.c, af_inet.c).

    :ivar end: this end of its connection; None before there is one.
    :ivar handshake: by which it comes about; None where nobody waits for one.
    """

    def __init__(self, stack: Stack, family: int = socket.AF_INET) -> None:
        super().__init__(stack, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.end: End | None = None
        self.handshake: Handshake | None = None
        self._phase = Phase.UNCONNECTED
        self._shut = 0
        self._keeps_address = self._keeps_port = False

    @property
    def _ports(self) -> "Ports[Tcp]":
        return self.stack.tcp

    # What programs ask of it.

    def bind(self, address: Any) -> None:
        super().bind(address)
        self._keeps_address = not is_any(self.local.address)
        self._keeps_port = self.parsed(address, "bind").port != 0

    @property
    def _is_bound(self) -> bool:
        return self._has_port or not self._is_closed_down

    @property
    def _may_listen(self) -> bool:
        return self._phase is Phase.UNCONNECTED

    def connect(self, address: Any, call: str) -> int:
        """Begin to connect. To its own machine it is over when this returns, and not told of yet, as on Linux.

        There the answer is taken from the network when the call lets go of the socket, behind what it returns.
        """
        where = self.parsed(address, call)
        match self._phase:
            case Phase.CONNECTED:
                return errno.EISCONN
            case Phase.DISCONNECTING:
                return errno.EINVAL
            case Phase.CONNECTING:
                return errno.EALREADY if self.is_connecting else self._told_of_it()
        if self._queue is not None:
            return errno.EISCONN
        if is_any(where.address):
            where = Where(self.stack.source_for(where.address, self.family), where.port)
        if self.stack.at(where.address) is None:
            return errno.EHOSTUNREACH
        self.name_itself_for(where)
        self.remote = where
        self.is_connecting, self._phase = True, Phase.CONNECTING
        self.handshake = Handshake(self, where)
        self.handshake.begin()
        return errno.EINPROGRESS

    def _told_of_it(self) -> int:
        """What `connect` says, once, of what it has begun before. After a failure it can be begun again."""
        if not self._is_closed_down:
            self._phase = Phase.CONNECTED
            return 0
        self._start_over()
        return self.take_error() or errno.ECONNABORTED

    @property
    def _is_closed_down(self) -> bool:
        """Linux's TCP_CLOSE: it has no connection, and asks for none."""
        return self._queue is None and not self.is_connecting and (self.end is None or self.end.is_over)

    def remote_name(self) -> Any:
        if self.end is None or self.remote is None or self.end.is_over:
            raise error(errno.ENOTCONN)
        return told(self.family, self.remote)

    def source_name(self) -> Any:
        """Of who is gone by now, too."""
        assert self.remote is not None, "it was accepted"
        return told(self.family, self.remote)

    def receive(self, size: int, *, peek: bool = False) -> Received:
        if self._queue is not None:
            raise error(errno.ENOTCONN)
        end = self.end
        if end is not None:
            data = end.peek(size) if peek else end.read(size)
            if data or not size or end.has_heard_the_end:
                return Received(data, len(data))
        self.raise_error()
        if self._reads_no_more:
            return Received(b"", 0)
        raise error(errno.ENOTCONN if self._is_closed_down else errno.EAGAIN)

    @property
    def _reads_no_more(self) -> bool:
        return bool(self._shut & READS) or (self.end is not None and (self.end.has_heard_the_end or self.end.is_over))

    @property
    def _writes_no_more(self) -> bool:
        return bool(self._shut & WRITES) or (self.end is not None and self.end.is_over)

    def send(self, data: bytes, _address: Any = None, _files: Sequence[OpenFile] = ()) -> int:
        end = self.end
        self.raise_error()
        if end is None and self.is_connecting:
            raise error(errno.EAGAIN)
        if end is None or self._writes_no_more:
            raise error(errno.EPIPE)
        if not end.room and data:
            raise error(errno.EAGAIN)
        taken = bytes(data[: end.room])
        end.write(taken)
        return len(taken)

    def shutdown(self, how: int) -> None:
        """:raises OSError: EINVAL, and ENOTCONN where there is no connection: it counts all the same."""
        halves = _HALVES.get(how, 0)
        if not halves:
            raise error(errno.EINVAL)
        if self._phase is Phase.CONNECTING:
            is_open = self.end is not None and not self._is_closed_down
            self._phase = Phase.CONNECTED if is_open else Phase.DISCONNECTING
        if self._queue is not None or self.is_connecting:
            if halves & READS or self.is_connecting:
                self._disconnect()
            return
        was_closed = self._is_closed_down
        self._shut |= halves
        if self.end is not None and halves & WRITES:
            self.end.finish()
        self.changed()
        if was_closed:
            raise error(errno.ENOTCONN)

    def _disconnect(self) -> None:
        self._stop_listening()
        self.handshake, self.is_connecting = None, False
        self._start_over()
        self._let_go()
        self.changed()

    def _start_over(self) -> None:
        self._phase, self._shut = Phase.UNCONNECTED, 0
        self.end = self.remote = None
        if not self._keeps_address:
            self.local = Where(anywhere(self.family), self.local.port)

    def _let_go(self) -> None:
        """There is no connection any more: a port that was not asked for by its number is free."""
        if not self._keeps_port:
            self.free_port()

    def changed(self) -> None:
        if self.end is not None and self.end.is_over:
            self._let_go()
        super().changed()

    @property
    def events(self) -> int:
        end = self.end
        if end is not None and not (self._shut or self._error):
            events = end.open_events()
            if events is not None:
                return events  # as most are, most of the time
        if self._queue is not None:
            return IN if self._queue else 0
        mask = ERR if self._error else 0
        mask |= HUP if self._is_closed_down or (self._reads_no_more and self._writes_no_more) else 0
        mask |= IN | RDHUP if self._reads_no_more else 0
        if self.is_connecting:
            return mask
        mask |= IN if self.end is not None and self.end.has_unread else 0
        return mask | (OUT if self.end is None or self.end.room or self._writes_no_more else 0)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed, self.handshake = True, None
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
        self.is_closed, self.handshake = True, None
        if self.end is not None:
            self.end.vanish()

    # What the network asks of it.

    def fail(self, number: int) -> None:
        """A reset behind the other end's FIN is told of as a broken pipe."""
        if number == errno.ECONNRESET and self.end is not None and self.end.has_heard_the_end:
            number = errno.EPIPE
        self._shut = READS | WRITES
        self._let_go()
        super().fail(number)

    def offspring(self, local: Where, remote: Where) -> "Tcp":
        """The socket of one more connection, with this one's options (socket(7) says so of some; Linux copies all)."""
        made = Tcp(self.stack, self.family)
        made.local, made.remote, made._phase = local, remote, Phase.CONNECTED
        made.options.update(self.options)
        return made

    def connected(self, end: End) -> None:
        self.is_connecting = False
        self.end = end
        end.socket = self
        self.changed()
