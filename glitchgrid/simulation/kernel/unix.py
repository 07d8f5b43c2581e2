"""UNIX sockets as open files: streams and datagrams within a machine, with descriptors in them (unix(7))."""

import errno
import socket
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, RDHUP, OpenFile, error
from glitchgrid.simulation.kernel.socket_file import BUFFER_BYTES, Received, SocketFile
from glitchgrid.simulation.kernel.stack import Stack

DATAGRAMS_MAX = 10
"""Linux's net.unix.max_dgram_qlen: so many may wait at a socket, and one more."""


class Directory(Protocol):
    """The file system, as a process has it: where sockets have their names."""

    def add_socket(self, path: str, file: "UnixFile") -> None:
        """:raises OSError: EADDRINUSE, and what else keeps a file from being made."""

    def socket_at(self, path: str) -> "UnixFile | None":
        """:raises OSError: ENOENT where there is nothing; None where nobody has that socket any more."""


class UnixFile(SocketFile):
    """:param directory: of the process that made it."""

    def __init__(self, stack: Stack, directory: Directory, kind: int) -> None:
        super().__init__(stack, socket.AF_UNIX, kind, 0)
        self.directory = directory
        self.name: str | bytes = ""
        self.peer: UnixFile | None = None

    def bind(self, address: Any) -> None:
        name = _name(address)
        if self.name:
            raise error(errno.EINVAL)
        if not name:
            name = next(b"\0%05x" % each for each in count() if b"\0%05x" % each not in self.stack.abstract)
        if isinstance(name, bytes):
            if name in self.stack.abstract:
                raise error(errno.EADDRINUSE)
            self.stack.abstract[name] = self
        else:
            self.directory.add_socket(name, self)
        self.name = name

    def local_name(self) -> Any:
        return self.name

    def remote_name(self) -> Any:
        if self.peer is None:
            raise error(errno.ENOTCONN)
        return self.peer.name

    def found(self, address: Any) -> "UnixFile":
        """The socket of that name.

        :raises OSError: ENOENT, ECONNREFUSED where nobody has it any more, EPROTOTYPE where it is of another kind.
        """
        name = _name(address)
        found = self.stack.abstract.get(name) if isinstance(name, bytes) else self.directory.socket_at(name)
        if found is None or found.is_closed:
            raise error(errno.ECONNREFUSED)
        if found.kind != self.kind:
            raise error(errno.EPROTOTYPE)
        return found

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if isinstance(self.name, bytes) and self.stack.abstract.get(self.name) is self:
            del self.stack.abstract[self.name]
        self.disconnect()

    vanish = close

    def disconnect(self) -> None:
        """Nobody has it any more."""


def _name(address: Any) -> str | bytes:
    """A path, or bytes that begin with a zero for a name that is in no directory."""
    if isinstance(address, bytes | bytearray | memoryview):
        given = bytes(address)
        return given if given.startswith(b"\0") else given.decode()
    if not isinstance(address, str):
        raise TypeError(f"a bytes-like object is required, not '{type(address).__name__}'")
    return address.encode() if address.startswith("\0") else address


Piece = tuple[bytes, tuple[OpenFile, ...]]


class UnixStream(UnixFile):
    """Also for SOCK_SEQPACKET, but for the bounds of its messages, which are not modelled."""

    def __init__(self, stack: Stack, directory: Directory) -> None:
        super().__init__(stack, directory, socket.SOCK_STREAM)
        self._queue: deque[UnixStream] | None = None
        self._backlog = 0
        self._pieces: deque[Piece] = deque()
        self._bytes = 0
        self._has_ended = False
        self._has_finished = False
        self._was_connected = False

    def pair_with(self, other: "UnixStream") -> None:
        self.peer, other.peer = other, self
        self._was_connected = other._was_connected = True  # noqa: SLF001 - of its own kind

    @property
    def is_listening(self) -> bool:  # type: ignore[override]
        return self._queue is not None

    @property
    def has_waiting(self) -> bool:
        return bool(self._queue)

    def listen(self, backlog: int) -> None:
        if not self.name or self._was_connected:
            raise error(errno.EINVAL)
        if self._queue is None:
            self._queue = deque()
        self._backlog = max(0, backlog)

    def accept(self) -> "UnixStream":
        if self._queue is None:
            raise error(errno.EINVAL)
        if not self._queue:
            raise error(errno.EAGAIN)
        return self._queue.popleft()

    def connect(self, address: Any, call: str) -> int:
        if self._was_connected or self._queue is not None:
            return errno.EISCONN
        try:
            there = self.found(address)
        except OSError as failed:
            return failed.errno or errno.EINVAL
        return there.take(self) if isinstance(there, UnixStream) else errno.EPROTOTYPE

    def take(self, client: "UnixStream") -> int:
        """One connects. :returns: an error's number, or 0."""
        if self._queue is None:
            return errno.ECONNREFUSED
        if len(self._queue) > self._backlog:
            return errno.EAGAIN
        server = UnixStream(self.stack, self.directory)
        server.name = self.name
        server.pair_with(client)
        self._queue.append(server)
        client.changed()
        self.changed()
        return 0

    def receive(self, size: int, *, peek: bool = False) -> Received:
        self._require_connected(errno.EINVAL)
        self.raise_error()
        if not self._pieces:
            if self._has_ended or not size:
                return Received(b"", 0)
            raise error(errno.EAGAIN)
        if peek:
            data = b"".join(each for each, _ in self._pieces)[:size]
            return Received(data, len(data))
        data, files = self._read(size)
        if self.peer is not None:
            self.peer.changed()
        return Received(data, len(data), None, files)

    def _read(self, size: int) -> Piece:
        """What has files with it ends what one call reads."""
        parts: list[bytes] = []
        files: tuple[OpenFile, ...] = ()
        while self._pieces and size > 0 and not files:
            if self._pieces[0][1] and parts:
                break
            data, files = self._pieces.popleft()
            if len(data) > size:
                self._pieces.appendleft((data[size:], ()))
                data = data[:size]
            parts.append(data)
            size -= len(data)
            self._bytes -= len(data)
        return b"".join(parts), files

    def send(self, data: bytes, _address: Any = None, files: Sequence[OpenFile] = ()) -> int:
        self.raise_error()
        self._require_connected()
        there = self.peer
        if self._has_finished or not isinstance(there, UnixStream) or there.has_gone:
            raise error(errno.EPIPE)
        if there.room <= 0:
            raise error(errno.EAGAIN)
        taken = bytes(data[: there.room])
        for each in files:
            each.hold()
        there.put((taken, tuple(files)))
        return len(taken)

    @property
    def room(self) -> int:
        return BUFFER_BYTES - self._bytes

    @property
    def has_gone(self) -> bool:
        return self.is_closed

    def put(self, piece: Piece) -> None:
        if piece[0] and not self._has_ended:
            self._pieces.append(piece)
            self._bytes += len(piece[0])
            self.changed()

    def shutdown(self, how: int) -> None:
        self._require_connected()
        if how in {socket.SHUT_WR, socket.SHUT_RDWR}:
            self._finish()
        if how in {socket.SHUT_RD, socket.SHUT_RDWR}:
            self._has_ended = True
            if isinstance(self.peer, UnixStream):
                self.peer.finish_too()
        self.changed()

    def _finish(self) -> None:
        self._has_finished = True
        if isinstance(self.peer, UnixStream):
            self.peer.end()

    def finish_too(self) -> None:
        """The other end reads no more."""
        self._has_finished = True
        self.changed()

    def end(self) -> None:
        """The other end writes no more."""
        self._has_ended = True
        self.changed()

    @property
    def events(self) -> int:
        if self._queue is not None:
            return IN if self._queue else 0
        if not self._was_connected:
            return OUT | HUP
        mask = ERR if self._error else 0
        mask |= IN if self._pieces or self._has_ended else 0
        mask |= RDHUP if self._has_ended else 0
        mask |= HUP if self._has_ended and self._has_finished else 0
        there = self.peer
        has_room = not isinstance(there, UnixStream) or there.has_gone or there.room > BUFFER_BYTES // 4
        return mask | (OUT if has_room else 0)

    def disconnect(self) -> None:
        for waiting in self._queue or ():
            waiting.close()
        self._queue = None
        there = self.peer
        if isinstance(there, UnixStream) and not there.has_gone:
            if self._pieces:
                there.fail(errno.ECONNRESET)
            there.finish_too()
            there.end()
        _let_go(self._pieces)

    def _require_connected(self, otherwise: int = errno.ENOTCONN) -> None:
        if not self._was_connected:
            raise error(otherwise)


class UnixDatagram(UnixFile):
    def __init__(self, stack: Stack, directory: Directory) -> None:
        super().__init__(stack, directory, socket.SOCK_DGRAM)
        self._received: deque[tuple[Piece, str | bytes | None]] = deque()

    def pair_with(self, other: "UnixDatagram") -> None:
        self.peer, other.peer = other, self

    def connect(self, address: Any, call: str) -> int:
        try:
            self.peer = self.found(address)
        except OSError as failed:
            return failed.errno or errno.EINVAL
        return 0

    def send(self, data: bytes, address: Any = None, files: Sequence[OpenFile] = ()) -> int:
        there = self.peer if address is None else self.found(address)
        if there is None:
            raise error(errno.ENOTCONN)
        if there.is_closed:
            raise error(errno.ECONNREFUSED)
        if len(data) > BUFFER_BYTES:
            raise error(errno.EMSGSIZE)
        assert isinstance(there, UnixDatagram)
        there.put((bytes(data), tuple(files)), self.name or None)
        return len(data)

    def put(self, piece: Piece, source: str | bytes | None) -> None:
        """:raises OSError: EAGAIN where too many wait already."""
        if len(self._received) > DATAGRAMS_MAX:
            raise error(errno.EAGAIN)
        for each in piece[1]:
            each.hold()
        self._received.append((piece, source))
        self.changed()

    def receive(self, size: int, *, peek: bool = False) -> Received:
        if not self._received:
            raise error(errno.EAGAIN)
        (data, files), source = self._received[0]
        if peek:
            return Received(data[:size], len(data), source)
        self._received.popleft()
        if self.peer is not None:
            self.peer.changed()
        return Received(data[:size], len(data), source, files)

    @property
    def is_full(self) -> bool:
        return len(self._received) > DATAGRAMS_MAX

    @property
    def events(self) -> int:
        there = self.peer
        is_full = isinstance(there, UnixDatagram) and not there.is_closed and there.is_full
        return (IN if self._received else 0) | (0 if is_full else OUT)

    def shutdown(self, _how: int) -> None:
        if self.peer is None:
            raise error(errno.ENOTCONN)

    def disconnect(self) -> None:
        _let_go(deque(piece for piece, _ in self._received))
        self._received.clear()


def _let_go(pieces: deque[Piece]) -> None:
    for _, files in pieces:
        for each in files:
            each.release()
    pieces.clear()
