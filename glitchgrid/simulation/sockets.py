"""The system calls for TCP, as Linux answers them: sockets that never block.

Twisted's transports call these in place of the real ones. What is behind them is in `connection`.

A socket outlives the program's interest in it, as it does on Linux: what was sent before `close` is delivered.
"""

import errno
import os
import select
import socket
import struct
from collections import deque
from typing import Protocol

from glitchgrid.simulation.connection import IN, End
from glitchgrid.simulation.epoll import Epoll
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.network import Flow, Link

CONNECT_RETRY_NS = 1_000_000_000
"""Linux sends the first packet of a connection again after so long, then after twice that, and so on."""

CONNECT_RETRIES_MAX = 6
FIRST_DESCRIPTOR = 3
ERROR = select.EPOLLERR
FAILED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP

Address = tuple[str, int]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Owner(Protocol):
    """The process whose socket it is."""

    @property
    def machine(self) -> Host: ...

    @property
    def epoll(self) -> Epoll: ...

    def new_descriptor(self, of: "Socket") -> int: ...

    def free_descriptor(self, descriptor: int) -> None: ...

    def spend_descriptor(self) -> None: ...


class Socket:
    """One socket of a process. The methods that `socket.socket` has, too, do what they do there."""

    def __init__(self, process: Owner) -> None:
        self.process = process
        self.machine = process.machine
        self.descriptor = process.new_descriptor(self)
        self.local: Address = (self.machine.address, 0)
        self.remote: Address | None = None
        self.closed = False
        self._error = 0
        self._accepted: deque[Socket] | None = None
        self.is_queued = False
        self.listens_since_ns = 0
        self._backlog = 0
        self._connection: End | None = None
        self._connecting = False
        self._resets_on_close = False

    # What Twisted calls.

    def fileno(self) -> int:
        return self.descriptor

    def setblocking(self, flag: bool) -> None:
        """Nothing blocks here."""

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            assert isinstance(value, bytes)
            self._resets_on_close = struct.unpack("ii", value) == (1, 0)

    def getsockopt(self, level: int, option: int) -> int:
        if (level, option) != (socket.SOL_SOCKET, socket.SO_ERROR):
            return 0
        number, self._error = self._error, 0
        return number

    def bind(self, address: Address) -> None:
        host, port = address
        if host not in {"", "0.0.0.0", "127.0.0.1", self.machine.address}:  # noqa: S104 - compared, not bound
            raise _error(errno.EADDRNOTAVAIL)
        taken = self.machine.take_port(port, self)
        if taken is None:
            raise _error(errno.EADDRINUSE)
        self.local = (self.machine.address, taken)

    def listen(self, backlog: int) -> None:
        self._accepted = deque()
        self.listens_since_ns = self.machine.world.now_ns
        self._backlog = backlog

    def accept(self) -> "tuple[Socket, Address]":
        assert self._accepted is not None
        if not self._accepted:
            raise _error(errno.EAGAIN)
        self.process.spend_descriptor()
        accepted = self._accepted.popleft()
        accepted.is_queued = False
        assert accepted.remote is not None
        return accepted, accepted.remote

    def connect_ex(self, address: Address) -> int:
        if self._connection is not None:
            return errno.EISCONN
        if self._connecting:
            return errno.EALREADY
        self._connecting = True
        self.remote = address
        if not self.local[1]:
            self.bind(("", 0))
        Handshake(self, address)
        return errno.EINPROGRESS

    def getsockname(self) -> Address:
        return self.local

    def getpeername(self) -> Address:
        if self.remote is None or self._connection is None:
            raise _error(errno.ENOTCONN)
        return self.remote

    def recv(self, size_max: int) -> bytes:
        end = self._end()
        data = end.read(size_max)
        if data or end.has_ended:
            return data
        if self._error:
            raise _error(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        raise _error(errno.EAGAIN)

    def send(self, data: bytes | memoryview) -> int:
        end = self._end()
        if self._error:
            raise _error(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if end.has_finished or end.was_reset:
            raise _error(errno.EPIPE)
        room = end.room
        if not room:
            raise _error(errno.EAGAIN)
        taken = bytes(data[:room])
        end.write(taken)
        return len(taken)

    def shutdown(self, how: int) -> None:
        end = self._end()
        if how in {socket.SHUT_WR, socket.SHUT_RDWR}:
            end.finish()
        if how in {socket.SHUT_RD, socket.SHUT_RDWR}:
            end.ignore()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.process.epoll.forget(self.descriptor)
        self.process.free_descriptor(self.descriptor)
        if self._accepted is not None:
            for waiting in self._accepted:
                waiting.close()
        if self._connection is not None:
            self._connection.close(reset=self._resets_on_close)
        self.machine.free_port(self)

    # What the kernel calls.

    @property
    def events(self) -> int:
        """What epoll would report, whether it was asked for or not."""
        if self._accepted is not None:
            return IN if self._accepted else 0
        if self._connection is None:
            return FAILED if self._error else 0
        return self._connection.events | (IN | ERROR if self._error else 0)

    def changed(self) -> None:
        """Something may be ready now."""
        if not self.closed:
            self.process.epoll.check(self.descriptor)

    def fail(self, number: int) -> None:
        self._error = number
        self.changed()

    @property
    def is_listening(self) -> bool:
        return self._accepted is not None

    @property
    def has_room(self) -> bool:
        """May one more connection wait to be accepted?"""
        return self._accepted is not None and len(self._accepted) <= self._backlog

    def take(self, accepted: "Socket") -> None:
        assert self._accepted is not None
        accepted.is_queued = True
        self._accepted.append(accepted)
        self.changed()

    def connected(self, end: "End") -> None:
        self._connecting = False
        self._connection = end
        end.socket = self
        self.changed()

    def vanish(self) -> None:
        """The machine has lost its power: nothing is ever sent again."""
        self.closed = True
        if self._connection is not None:
            self._connection.vanish()

    def reset(self) -> None:
        """A fault: the connection breaks, at this end too."""
        if self._connection is not None:
            self._connection.break_off()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def _end(self) -> "End":
        if self.closed:
            raise _error(errno.EBADF)
        if self._connection is None:
            raise _error(errno.ENOTCONN)
        return self._connection


class Handshake:
    """How a connection comes about: three packets, of which the first is sent again while there is no answer."""

    def __init__(self, client: Socket, address: Address) -> None:
        self._client = client
        self._address = address
        self._world = client.machine.world
        self._target = client.machine.at(address[0])
        self._attempts = 0
        self._was_taken = False
        self._try()

    def _try(self) -> None:
        client = self._client
        if client.closed or client.is_connected or self._was_taken:
            return
        if self._target is None:
            client.fail(errno.EHOSTUNREACH)
            return
        if self._attempts > CONNECT_RETRIES_MAX:
            client.fail(errno.ETIMEDOUT)
            return
        out, back = self._links(self._target)
        if not out.is_cut and not back.is_cut:
            self._world.after(out.delay_ns(), self._asked, self._target)
        self._world.after(CONNECT_RETRY_NS << self._attempts, self._try)
        self._attempts += 1

    def _links(self, target: Host) -> tuple[Link, Link]:
        network, here = self._client.machine.network, self._client.machine.name
        return network.link(here, target.name), network.link(target.name, here)

    def _asked(self, target: Host) -> None:
        client = self._client
        out, back = self._links(target)
        if out.is_held:
            out.keep(lambda: self._asked(target))
            return
        if client.closed or self._was_taken or not target.is_powered:
            return  # taken already: a packet that was sent again is known for what it is
        listener = target.listener(self._address[1])
        if listener is None:
            self._world.after(back.delay_ns(), self._refused)
        else:
            assert isinstance(listener, Socket)
            if listener.has_room:
                self._open(listener, target)

    def _refused(self) -> None:
        client = self._client
        if not client.closed and not client.is_connected:
            self._attempts = CONNECT_RETRIES_MAX + 1
            client.fail(errno.ECONNREFUSED)

    def _open(self, listener: Socket, target: Host) -> None:
        client, world = self._client, self._world
        out, back = self._links(target)
        self._was_taken = True
        server = Socket(listener.process)
        server.local, server.remote = listener.local, client.local
        number = target.network.next_connection()
        near = End(number, client.machine, Flow(world, out))
        far = End(number, target, Flow(world, back))
        near.peer, far.peer = far, near
        if world.capture is not None:
            here, there = (client.machine.name, client.local[1]), (target.name, server.local[1])
            near.captured, far.captured = world.capture.add(here, there), world.capture.add(there, here)
        world.note(target.name, f"accept {number} from {client.machine.name}")
        server.connected(far)
        # The client is connected once it has heard back; should it have given up by then, it says so.
        far.flow.send(lambda: near.close(reset=True) if client.closed else client.connected(near))
        listener.take(server)
