"""The system calls for TCP, as Linux answers them: sockets that never block, and epoll.

Twisted's transports call these in place of the real ones. What is behind them is one `Connection` of two ends, whose
bytes travel by a `Flow` in each direction.

A socket outlives the program's interest in it, as it does on Linux: what was sent before `close` is delivered.
"""

import errno
import os
import select
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from glitchgrid.lab.simulation.network import Flow
from glitchgrid.lab.simulation.trace import brief

if TYPE_CHECKING:
    from glitchgrid.lab.simulation.machine import Machine
    from glitchgrid.lab.simulation.process import Process

SEND_BUFFER_BYTES = 256 * 1024
"""So much may be on its way or unread before a sender has to wait."""

CONNECT_RETRY_NS = 1_000_000_000
"""Linux sends the first packet of a connection again after so long, then after twice that, and so on."""

CONNECT_RETRIES_MAX = 6
FIRST_DESCRIPTOR = 3
FIRST_PORT = 32768
SEGMENT_BYTES = (1, 3, 20, 100, 536, 1460)

Address = tuple[str, int]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def in_use() -> OSError:
    return _error(errno.EADDRINUSE)


class Socket:
    """One socket of a process. The methods that `socket.socket` has, too, do what they do there."""

    def __init__(self, process: "Process") -> None:
        self.process = process
        self.machine: Machine = process.machine
        self.descriptor = process.new_descriptor(self)
        self.local: Address = (self.machine.address, 0)
        self.remote: Address | None = None
        self.closed = False
        self._error = 0
        self._accepted: deque[Socket] | None = None
        self._backlog = 0
        self._connection: _End | None = None
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
        self.local = (self.machine.address, self.machine.take_port(port, self))

    def listen(self, backlog: int) -> None:
        self._accepted = deque()
        self._backlog = backlog

    def accept(self) -> "tuple[Socket, Address]":
        assert self._accepted is not None
        if not self._accepted:
            raise _error(errno.EAGAIN)
        accepted = self._accepted.popleft()
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
        self.process.sockets.pop(self.descriptor, None)
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
            return select.EPOLLIN if self._accepted else 0
        end = self._connection
        if end is None:
            return select.EPOLLIN | select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP if self._error else 0
        mask = 0
        if end.has_data or end.has_ended or self._error:
            mask |= select.EPOLLIN
        if end.room or end.was_reset:
            mask |= select.EPOLLOUT
        if self._error:
            mask |= select.EPOLLERR
        if end.was_reset or (end.has_ended and end.has_finished):
            mask |= select.EPOLLHUP
        return mask

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
        self._accepted.append(accepted)
        self.changed()

    def connected(self, end: "_End") -> None:
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

    def _end(self) -> "_End":
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
        self._target = self._world.machine_at(address[0], client.machine)
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

    def _links(self, target: "Machine") -> Any:
        network, here = self._world.network, self._client.machine.name
        return network.link(here, target.name), network.link(target.name, here)

    def _asked(self, target: "Machine") -> None:
        client = self._client
        out, back = self._links(target)
        if client.closed or self._was_taken or not target.is_powered or out.is_held or back.is_held:
            return  # taken already: a packet that was sent again is known for what it is
        listener = target.listener(self._address[1])
        if listener is None:
            self._world.after(back.delay_ns(), self._refused)
        elif listener.has_room:
            self._open(listener, target)

    def _refused(self) -> None:
        client = self._client
        if not client.closed and not client.is_connected:
            self._attempts = CONNECT_RETRIES_MAX + 1
            client.fail(errno.ECONNREFUSED)

    def _open(self, listener: Socket, target: "Machine") -> None:
        client, world = self._client, self._world
        out, back = self._links(target)
        self._was_taken = True
        server = Socket(listener.process)
        server.local, server.remote = listener.local, client.local
        number = world.next_connection()
        near = _End(number, client.machine, Flow(world, out))
        far = _End(number, target, Flow(world, back))
        near.peer, far.peer = far, near
        world.note(target.name, f"accept {number} from {client.machine.name}")
        server.connected(far)
        # The client is connected once it has heard back; should it have given up by then, it says so.
        far.flow.send(lambda: near.close(reset=True) if client.closed else client.connected(near))
        listener.take(server)


class _End:
    """One end of a connection, as its kernel sees it.

    :ivar has_ended: the other end has finished, and everything before that was read.
    :ivar has_finished: this end sends nothing more.
    :ivar was_reset: there is no connection any more.
    """

    socket: Socket | None = None
    peer: "_End"

    def __init__(self, number: int, machine: "Machine", flow: Flow) -> None:
        self.number = number
        self.machine = machine
        self.flow = flow
        self.has_finished = False
        self.was_reset = False
        self._is_closed = False
        self._is_gone = False
        self._ignores = False
        self._ended = False
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._on_the_way = 0
        self._draws = machine.world.draws(f"segments {machine.name}")

    # The program's side.

    @property
    def has_data(self) -> bool:
        return self._unread_bytes > 0

    @property
    def has_ended(self) -> bool:
        return (self._ended or self._ignores) and not self._unread_bytes

    @property
    def room(self) -> int:
        return max(0, SEND_BUFFER_BYTES - self._on_the_way - self.peer._unread_bytes)  # noqa: SLF001 - its own other end

    def read(self, size_max: int) -> bytes:
        parts: list[bytes] = []
        while self._unread and size_max > 0:
            part = self._unread.popleft()
            if len(part) > size_max:
                self._unread.appendleft(part[size_max:])
                part = part[:size_max]
            size_max -= len(part)
            parts.append(part)
        data = b"".join(parts)
        self._unread_bytes -= len(data)
        if data and self.peer.socket is not None:
            self.peer.socket.changed()  # it has room again
        return data

    def write(self, data: bytes) -> None:
        self._on_the_way += len(data)
        for segment in self._segments(data):
            self.flow.send(lambda segment=segment: self._delivered(segment))  # type: ignore[misc]

    def _segments(self, data: bytes) -> list[bytes]:
        """How the data is cut up: anything may arrive in any pieces."""
        if not self.machine.cuts_segments:
            return [data]
        segments = []
        while data:
            size = self._draws.pick(SEGMENT_BYTES)
            segments.append(data[:size])
            data = data[size:]
        return segments

    def _delivered(self, segment: bytes) -> None:
        self._on_the_way -= len(segment)
        self.peer.arrived(segment)
        if self.socket is not None:
            self.socket.changed()

    def finish(self) -> None:
        if not self.has_finished and not self.was_reset:
            self.has_finished = True
            self.flow.send(self.peer.ended)

    def ignore(self) -> None:
        self._ignores = True

    def close(self, *, reset: bool) -> None:
        """The program lets go. Unread data makes that a reset, as it does on Linux."""
        self._is_closed = True
        self.socket = None
        if self.was_reset:
            return
        if reset or self._unread_bytes:
            self.was_reset = True
            self.flow.send(self.peer.reset)
        else:
            self.finish()

    def vanish(self) -> None:
        self._is_gone = True
        self.socket = None

    def break_off(self) -> None:
        """A fault of the network: either end gets a reset."""
        for end in (self, self.peer):
            end.reset()

    # The network's side.

    def arrived(self, segment: bytes) -> None:
        if self._is_gone or self._is_closed or self.was_reset:
            self._answer_with_a_reset()
            return
        self.machine.world.note(self.machine.name, f"received {self.number} {brief(segment)}")
        if not self._ignores:
            self._unread.append(segment)
            self._unread_bytes += len(segment)
        self._changed()

    def ended(self) -> None:
        if self._is_gone:
            self._answer_with_a_reset()
        elif not self.was_reset:
            self._ended = True
            self._changed()

    def reset(self) -> None:
        if self._is_gone or self.was_reset:
            return
        self.machine.world.note(self.machine.name, f"reset {self.number}")
        self.was_reset = True
        if self.socket is not None:
            self.socket.fail(errno.ECONNRESET)

    def _answer_with_a_reset(self) -> None:
        """A machine that runs says that it knows of no such connection; one without power says nothing."""
        if self.machine.is_powered and not self.peer.was_reset:
            self.flow.send(self.peer.reset)

    def _changed(self) -> None:
        if self.socket is not None:
            self.socket.changed()


class Epoll:
    """Which of a process's sockets are ready. Level-triggered, in the order in which they became ready."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._interest: dict[int, int] = {}
        self._candidates: dict[int, None] = {}

    # What Twisted calls.

    def register(self, descriptor: int, mask: int) -> None:
        self._interest[descriptor] = mask
        self.check(descriptor)

    modify = register

    def unregister(self, descriptor: int) -> None:
        if descriptor not in self._interest:
            raise _error(errno.ENOENT)
        self.forget(descriptor)

    def poll(self, _timeout_s: float, events_max: int) -> list[tuple[int, int]]:
        ready = []
        for descriptor in list(self._candidates):
            mask = self._ready(descriptor)
            if mask:
                ready.append((descriptor, mask))
            else:
                del self._candidates[descriptor]
        return ready[:events_max]

    # What the kernel calls.

    def check(self, descriptor: int) -> None:
        """A socket has changed, or what is wanted of it."""
        if self._ready(descriptor):
            self._candidates[descriptor] = None
            self._process.wake()

    def forget(self, descriptor: int) -> None:
        self._interest.pop(descriptor, None)
        self._candidates.pop(descriptor, None)

    @property
    def has_ready(self) -> bool:
        return any(map(self._ready, self._candidates))

    def _ready(self, descriptor: int) -> int:
        interest = self._interest.get(descriptor)
        found = self._process.sockets.get(descriptor)
        if interest is None or found is None:
            return 0
        return found.events & (interest | select.EPOLLERR | select.EPOLLHUP)
