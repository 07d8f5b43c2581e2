"""UNIX datagrams: messages within a machine, none of which is lost."""

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, error
from glitchgrid.simulation.kernel.socket_file import BUFFER_BYTES, Received
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.kernel.unix import READS, Directory, Piece, UnixFile, cost, held, let_go

DATAGRAMS_MAX = 10
"""Linux's net.unix.max_dgram_qlen: so many may wait at a socket, and one more, but for those of the one that it is
connected to."""

RESERVED_BYTES = 32
"""Of the buffer, which a message may not take."""


class UnixDatagram(UnixFile):
    def __init__(self, stack: Stack, directory: Directory) -> None:
        super().__init__(stack, directory, socket.SOCK_DGRAM)
        self._received: deque[Piece] = deque()

    def listen(self, _backlog: int) -> None:
        raise error(errno.EOPNOTSUPP)

    def pair_with(self, other: "UnixDatagram") -> None:
        self.peer, other.peer = other, self

    def connect(self, address: Any, call: str) -> int:
        try:
            there = self.found(address)
        except OSError as failed:
            return failed.errno or errno.EINVAL
        if not self._may_send_to(there):
            return errno.EPERM
        before, self.peer = self.peer, there
        if before is not None and before is not there:
            self._leave(before)
        self.changed()
        return 0

    def _may_send_to(self, there: UnixFile) -> bool:
        """Who is connected takes nothing from others."""
        return there.peer is None or there.peer is self

    def _leave(self, before: UnixFile) -> None:
        """What the other one had sent is lost, and it is told so, if it was connected, too."""
        if self._received:
            self._throw_away()
            if not before.is_closed and before.peer is self:
                before.fail(errno.ECONNRESET)

    def send(self, data: bytes, address: Any = None, files: Sequence[OpenFile] = ()) -> int:
        if address is not None and not address:
            raise error(errno.EINVAL)
        there = self.peer
        if address is None and there is None:
            raise error(errno.ENOTCONN)
        if len(data) > BUFFER_BYTES - RESERVED_BYTES:
            raise error(errno.EMSGSIZE)
        self.require_room()
        there = there if address is None else self.found(address)
        assert isinstance(there, UnixDatagram), "it is of this kind"
        if not self._may_send_to(there):
            raise error(errno.EPERM)
        if there.is_closed:
            self.peer = None
            self._leave(there)
            raise error(errno.ECONNREFUSED)
        if there.shut & READS:
            raise error(errno.EPIPE)
        if there is not self and there.peer is not self and there.is_full:
            raise error(errno.EAGAIN)
        there.put(Piece(bytes(data), held(files), cost(len(data)), self))
        return len(data)

    def put(self, piece: Piece) -> None:
        piece.sender.pending_bytes += piece.cost
        self._received.append(piece)
        self.changed()

    def receive(self, size: int, *, peek: bool = False) -> Received:
        self.raise_error()
        if not self._received:
            if self.shut & READS and self.is_blocking:
                return Received(b"", 0)
            raise error(errno.EAGAIN)
        piece = self._received[0]
        data = piece.data[:size]
        if peek:
            return Received(data, len(piece.data), piece.source)
        self._received.popleft()
        piece.was_read()
        return Received(data, len(piece.data), piece.source, piece.files)

    @property
    def is_full(self) -> bool:
        return len(self._received) > DATAGRAMS_MAX

    @property
    def events(self) -> int:
        there = self.peer
        mask = self.common_events | (IN if self._received else 0)
        waits = isinstance(there, UnixDatagram) and there.peer is not self and not there.is_closed and there.is_full
        return mask & ~OUT if waits else mask

    def disconnect(self) -> None:
        self._throw_away()

    def _throw_away(self) -> None:
        received, self._received = self._received, deque()
        for piece in received:
            let_go(piece.files)
            piece.was_read()
