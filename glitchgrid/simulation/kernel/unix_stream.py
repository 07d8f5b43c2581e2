"""UNIX streams: connections within a machine, with descriptors in what is said."""

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from glitchgrid.simulation.kernel.descriptors import HUP, IN, OUT, OpenFile, error
from glitchgrid.simulation.kernel.socket_file import BUFFER_BYTES, Received
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.unix import (
    HALVES,
    LINEAR_BYTES_MAX,
    READS,
    WRITES,
    Directory,
    Piece,
    UnixFile,
    cost,
    held,
    let_go,
)

PIECE_BYTES_MAX = LINEAR_BYTES_MAX + 32_768
"""Of what one call sends, so much goes into one piece."""


class UnixStream(UnixFile):
    """Also for SOCK_SEQPACKET, but for the bounds of its messages, which are not modelled."""

    def __init__(self, stack: Stack, directory: Directory) -> None:
        super().__init__(stack, directory, socket.SOCK_STREAM)
        self._queue: deque[UnixStream] | None = None
        self._backlog = 0
        self._pieces: deque[Piece] = deque()
        self._was_connected = False

    def pair_with(self, other: "UnixStream") -> None:
        self.peer, other.peer = other, self
        self._was_connected = other._was_connected = True  # noqa: SLF001 - one of its own kind

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
        self.raise_error()
        if not self._queue:
            raise error(errno.EINVAL if self.shut & READS and self.is_blocking else errno.EAGAIN)
        return self._queue.popleft()

    def connect(self, address: Any, call: str) -> int:
        try:
            there = self.found(address)
        except OSError as failed:
            return failed.errno or errno.EINVAL
        assert isinstance(there, UnixStream), "it is of this kind"
        number = there.refusal()
        if not number and (self._was_connected or self._queue is not None):
            number = errno.EISCONN if self._was_connected else errno.EINVAL
        if not number:
            there.take(self)
        return number

    def refusal(self) -> int:
        """Why nobody can connect to it just now: an error's number, or 0."""
        if self._queue is None or self.shut & READS:
            return errno.ECONNREFUSED
        return errno.EAGAIN if len(self._queue) > self._backlog else 0

    def take(self, client: "UnixStream") -> None:
        """One connects."""
        assert self._queue is not None, "it listens"
        server = UnixStream(self.stack, self.directory)
        server.name = self.name
        server.pair_with(client)
        self._queue.append(server)
        client.changed()
        self.changed()

    def receive(self, size: int, *, peek: bool = False) -> Received:
        if not self._was_connected:
            raise error(errno.EINVAL)
        if not self._pieces:
            self.raise_error()
            if self.shut & READS:
                return Received(b"", 0)
            raise error(errno.EAGAIN)
        return self._peeked(size) if peek else self._read(size)

    def _peeked(self, size: int) -> Received:
        data = b""
        for piece in self._pieces:
            data += piece.data
            if piece.files or len(data) >= size:
                break
        return Received(data[:size], min(size, len(data)), self._pieces[0].source)

    def _read(self, size: int) -> Received:
        """Descriptors end what one call reads."""
        source = self._pieces[0].source
        parts: list[bytes] = []
        files: tuple[OpenFile, ...] = ()
        while self._pieces:
            piece = self._pieces.popleft()
            part, rest = piece.data[:size], piece.data[size:]
            parts.append(part)
            size -= len(part)
            files += piece.files
            if rest:
                self._pieces.appendleft(piece._replace(data=rest, files=()))
                break
            piece.was_read()
            if piece.files or not size:
                break
        data = b"".join(parts)
        return Received(data, len(data), source, files)

    def send(self, data: bytes, address: Any = None, files: Sequence[OpenFile] = ()) -> int:
        if address is not None:
            raise error(errno.EISCONN if self._was_connected else errno.EOPNOTSUPP)
        there = self.peer
        if not isinstance(there, UnixStream):
            raise error(errno.ENOTCONN)
        if self.shut & WRITES:
            raise error(errno.EPIPE)
        sent = 0
        while sent < len(data):
            try:
                self.require_room()
                if there.is_closed or there.shut & READS:
                    raise error(errno.EPIPE)
            except OSError:
                if sent:
                    break
                raise
            piece = bytes(data[sent : sent + min(PIECE_BYTES_MAX, BUFFER_BYTES // 2 - 64)])
            there.put(Piece(piece, held(files), cost(len(piece)), self))
            self.pending_bytes += cost(len(piece))
            files = ()
            sent += len(piece)
        return sent

    def put(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self.changed()

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        if isinstance(self.peer, UnixStream):
            self.peer.shut_too(WRITES * bool(HALVES[how] & READS) | READS * bool(HALVES[how] & WRITES))

    def shut_too(self, halves: int) -> None:
        """The other end has ended its own."""
        self.shut |= halves
        self.changed()

    @property
    def events(self) -> int:
        mask = self.common_events
        if self._queue is not None:
            return mask & ~OUT | (IN if self._queue else 0)
        mask |= 0 if self._was_connected else HUP
        return mask | (IN if self._pieces else 0)

    def disconnect(self) -> None:
        for waiting in self._queue or ():
            waiting.refuse()
        self._queue = None
        there = self.peer
        if isinstance(there, UnixStream) and not there.is_closed:
            if self._pieces:
                there.fail(errno.ECONNRESET)
            there.shut_too(READS | WRITES)
        for piece in self._pieces:
            piece.was_read()
            let_go(piece.files)
        self._pieces.clear()

    def refuse(self) -> None:
        """Close what nobody has accepted: that is an error for who has connected."""
        if self.peer is not None and not self.peer.is_closed:
            self.peer.fail(errno.ECONNRESET)
        self.close()
