"""UNIX sockets as open files: their names, and what streams and datagrams have in common (unix(7)).

What they answer is Linux's, in the order in which Linux looks (net/unix/af_unix.c).
"""

import errno
import socket
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple, Protocol

from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, RDHUP, OpenFile, error
from glitchgrid.simulation.kernel.socket_file import BUFFER_BYTES, SocketFile
from glitchgrid.simulation.kernel.stack import Stack

READS, WRITES = 1, 2
"""The halves that `shutdown` ends."""

HALVES = {socket.SHUT_RD: READS, socket.SHUT_WR: WRITES, socket.SHUT_RDWR: READS | WRITES}


class Directory(Protocol):
    """The file system, as a process has it: where sockets have their names."""

    def add_socket(self, path: str, file: "UnixFile") -> None:
        """:raises OSError: EADDRINUSE, and what else keeps a file from being made."""

    def remove_socket(self, path: str) -> None: ...

    def socket_at(self, path: str) -> "UnixFile | None":
        """:raises OSError: ENOENT where there is nothing; None where nobody has that socket any more."""


class Piece(NamedTuple):
    """What one call has sent, or some of it.

    :ivar cost: what it takes of its sender's buffer until all of it was read.
    """

    data: bytes
    files: tuple[OpenFile, ...]
    cost: int
    sender: "UnixFile"

    @property
    def source(self) -> str | bytes | None:
        """The name of who has sent it, by now; None for who has none."""
        return self.sender.name or None

    def was_read(self) -> None:
        """All of it is read, or thrown away."""
        self.sender.pending_bytes -= self.cost
        self.sender.changed()


class UnixFile(SocketFile):
    """:param directory: of the process that made it.
    :ivar name: a path, or bytes that begin with a zero; empty for none.
    :ivar peer: whom it is connected to, who may have ended since.
    :ivar pending_bytes: what it has sent and nobody has read, as Linux counts it: with what each message costs.
    """

    def __init__(self, stack: Stack, directory: Directory, kind: int) -> None:
        super().__init__(stack, socket.AF_UNIX, kind, 0)
        self.directory = directory
        self.name: str | bytes = ""
        self.peer: UnixFile | None = None
        self.shut = 0
        self.pending_bytes = 0

    def bind(self, address: Any) -> None:
        name = parsed(address)
        if not name:
            if self.name:
                return
            taken = self.stack.abstract
            name = next(each for each in (b"\0%05x" % n for n in count()) if (self.kind, each) not in taken)
        if isinstance(name, str):
            self.directory.add_socket(name, self)
            if self.name:
                self.directory.remove_socket(name)
        if self.name:
            raise error(errno.EINVAL)
        if isinstance(name, bytes):
            if (self.kind, name) in self.stack.abstract:
                raise error(errno.EADDRINUSE)
            self.stack.abstract[self.kind, name] = self
        self.name = name

    def local_name(self) -> Any:
        return self.name

    def remote_name(self) -> Any:
        if self.peer is None:
            raise error(errno.ENOTCONN)
        return self.peer.name

    def source_name(self) -> Any:
        return "" if self.peer is None else self.peer.name

    def found(self, address: Any) -> "UnixFile":
        """The socket of that name.

        :raises OSError: EINVAL for no name, ENOENT, ECONNREFUSED where nobody has it any more, EPROTOTYPE where it is
            of another kind.
        """
        name = parsed(address)
        if not name:
            raise error(errno.EINVAL)
        if isinstance(name, bytes):
            found = self.stack.abstract.get((self.kind, name))
        else:
            found = self.directory.socket_at(name)
        if found is None or found.is_closed:
            raise error(errno.ECONNREFUSED)
        if found.kind != self.kind:
            raise error(errno.EPROTOTYPE)
        return found

    def shutdown(self, how: int) -> None:
        """:raises OSError: EINVAL. That it is not connected is no error."""
        if how not in HALVES:
            raise error(errno.EINVAL)
        self.shut |= HALVES[how]
        self.changed()

    def require_room(self) -> None:
        """:raises OSError: what has failed before, EPIPE behind `shutdown`, EAGAIN."""
        self.raise_error()
        if self.shut & WRITES:
            raise error(errno.EPIPE)
        if self.pending_bytes >= BUFFER_BYTES:
            raise error(errno.EAGAIN)

    @property
    def is_writable(self) -> bool:
        return self.pending_bytes * 4 <= BUFFER_BYTES

    @property
    def common_events(self) -> int:
        mask = ERR if self._error else 0
        mask |= HUP if self.shut == READS | WRITES else 0
        mask |= IN | RDHUP if self.shut & READS else 0
        return mask | (OUT if self.is_writable else 0)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if isinstance(self.name, bytes) and self.stack.abstract.get((self.kind, self.name)) is self:
            del self.stack.abstract[self.kind, self.name]
        self.disconnect()

    vanish = close

    def disconnect(self) -> None:
        """Nobody has it any more."""


def parsed(address: Any) -> str | bytes:
    """A path, or bytes that begin with a zero for a name that is in no directory."""
    if isinstance(address, bytes | bytearray | memoryview):
        given = bytes(address)
        return given if given.startswith(b"\0") else given.decode()
    if not isinstance(address, str):
        raise TypeError(f"a bytes-like object is required, not '{type(address).__name__}'")
    return address.encode() if address.startswith("\0") else address


def held(files: Iterable[OpenFile]) -> tuple[OpenFile, ...]:
    """The same, held for as long as they are on their way."""
    kept = tuple(files)
    for each in kept:
        each.hold()
    return kept


def let_go(files: Iterable[OpenFile]) -> None:
    for each in files:
        each.release()


PAGE_BYTES = 4096
HEAD_BYTES, SHARED_BYTES, LEAST_BYTES = 256, 320, 512
LINEAR_BYTES_MAX = PAGE_BYTES - SHARED_BYTES
"""What the kernel puts around a message (sk_buff, skb_shared_info), in pieces of memory of two to some power."""


def cost(size: int) -> int:
    """What a message takes of its sender's buffer, as Linux 6 counts it: much, where there is little in it."""
    if size <= LINEAR_BYTES_MAX:
        return HEAD_BYTES + max(LEAST_BYTES, 1 << (size + SHARED_BYTES - 1).bit_length())
    return HEAD_BYTES + LEAST_BYTES + -(-size // PAGE_BYTES) * PAGE_BYTES
