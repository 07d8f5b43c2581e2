"""Sockets as open files: what all kinds of them have in common.

Their calls fail with EAGAIN where they would have to wait: whoever blocks waits for readiness, and asks again.
"""

import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from glitchgrid.simulation.kernel.addresses import Where, anywhere, is_any, parse, told
from glitchgrid.simulation.kernel.descriptors import OpenFile, error
from glitchgrid.simulation.kernel.stack import Ports, Stack

BUFFER_BYTES = 212_992
"""What SO_SNDBUF and SO_RCVBUF say, where nobody has set them: Linux's usual limit."""

_USUAL: dict[tuple[int, int], int] = {
    (socket.SOL_SOCKET, socket.SO_SNDBUF): BUFFER_BYTES,
    (socket.SOL_SOCKET, socket.SO_RCVBUF): BUFFER_BYTES,
    (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL): 1,
    (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP): 1,
    (socket.IPPROTO_IP, socket.IP_TTL): 64,
}


class Received(NamedTuple):
    """What one call has received.

    :ivar whole: the length of the datagram, of which `data` may be the head.
    :ivar files: that came with it, each held for whoever gets a descriptor for it.
    :ivar source: where it came from, as a program is told.
    """

    data: bytes
    whole: int
    source: Any = None
    files: tuple[OpenFile, ...] = ()


class SocketFile(OpenFile):
    """:ivar is_connecting: a connection was asked for, and there is no answer yet."""

    is_socket = True
    is_connecting = False
    is_listening = False

    def __init__(self, stack: Stack, family: int, kind: int, proto: int) -> None:
        super().__init__()
        self.stack = stack
        self.family = family
        self.kind = kind
        self.proto = proto
        self.options: dict[tuple[int, int], int | bytes] = {}
        self.is_closed = False
        self._error = 0

    # What programs ask of it. Each raises OSError as the call of that name does.

    def bind(self, address: Any) -> None:
        raise error(errno.EOPNOTSUPP)

    def listen(self, _backlog: int) -> None:
        raise error(errno.EOPNOTSUPP)

    def accept(self) -> "SocketFile":
        raise error(errno.EOPNOTSUPP)

    def connect(self, address: Any, call: str) -> int:
        """:returns: an error's number, as connect_ex does; EINPROGRESS for what is under way."""
        return errno.EOPNOTSUPP

    def local_name(self) -> Any:
        raise error(errno.EOPNOTSUPP)

    def remote_name(self) -> Any:
        raise error(errno.ENOTCONN)

    def source_name(self) -> Any:
        """Who has connected to what was accepted just now."""
        return self.remote_name()

    def receive(self, _size: int, *, peek: bool = False) -> Received:
        raise error(errno.EOPNOTSUPP)

    def send(self, _data: bytes, _address: Any = None, _files: Sequence[OpenFile] = ()) -> int:
        raise error(errno.EOPNOTSUPP)

    def shutdown(self, _how: int) -> None:
        raise error(errno.ENOTCONN)

    def read(self, size: int) -> bytes:
        return self.receive(size).data

    def write(self, data: bytes) -> int:
        return self.send(data)

    @property
    def has_waiting(self) -> bool:
        """Whether `accept` has one: it is asked before a descriptor is taken for it."""
        return False

    def set_option(self, level: int, option: int, value: int | bytes | None) -> None:
        self.options[level, option] = value if value is not None else 0

    def option(self, level: int, option: int) -> int | bytes:
        if level == socket.SOL_SOCKET:
            match option:
                case socket.SO_ERROR:
                    return self.take_error()
                case socket.SO_TYPE:
                    return self.kind
                case socket.SO_DOMAIN:
                    return self.family
                case socket.SO_PROTOCOL:
                    return self.proto
                case socket.SO_ACCEPTCONN:
                    return int(self.is_listening)
        return self.options.get((level, option), _USUAL.get((level, option), 0))

    # What the network tells it.

    def fail(self, number: int) -> None:
        self._error = number
        self.is_connecting = False
        self.changed()

    def take_error(self) -> int:
        number, self._error = self._error, 0
        return number

    def raise_error(self) -> None:
        number = self.take_error()
        if number:
            raise error(number)

    @property
    def resets_when_closed(self) -> bool:
        """SO_LINGER is on, with no time (socket(7))."""
        linger = self.options.get((socket.SOL_SOCKET, socket.SO_LINGER))
        return isinstance(linger, bytes) and struct.unpack("ii", linger[:8])[0] != 0 and linger[4:8] == bytes(4)


class InternetFile(SocketFile):
    """A socket with an address and a port.

    :ivar local: its own; port 0 before it has one.
    :ivar remote: the other end's; None before it is known.
    """

    def __init__(self, stack: Stack, family: int, kind: int, proto: int) -> None:
        super().__init__(stack, family, kind, proto)
        self.local = Where(anywhere(family), 0)
        self.remote: Where | None = None
        self._has_port = False

    @property
    def _ports(self) -> "Ports[Any]":
        raise NotImplementedError

    @property
    def _is_bound(self) -> bool:
        return self._has_port

    @property
    def is_dual(self) -> bool:
        """A socket of IPv6 that takes IPv4, too."""
        return self.family == socket.AF_INET6 and not self.options.get((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))

    def parsed(self, address: Any, call: str) -> Where:
        return parse(self.family, address, call, self.stack.resolve)

    def bind(self, address: Any) -> None:
        """:raises OSError: EINVAL where it has an address, EADDRNOTAVAIL or EADDRINUSE for one that it cannot have."""
        where = self.parsed(address, "bind")
        if self.family == socket.AF_INET:  # IPv6 looks at it after that, and IPv4 before
            self._require_own(where)
        if self._is_bound:
            raise error(errno.EINVAL)
        self._require_own(where)
        self.take_port(where)
        if ":" in where.plain and not is_any(where.address):
            self.options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] = 1  # as Linux does, and says

    def _require_own(self, where: Where) -> None:
        if self.stack.at(where.address) is not self.stack:
            raise error(errno.EADDRNOTAVAIL)

    def take_port(self, where: Where) -> None:
        self.local = Where(where.address, self._ports.take(where, self))
        self._has_port = True

    def free_port(self) -> None:
        if self._has_port:
            self._has_port = False
            self._ports.free(self.local.port, self)

    def local_name(self) -> Any:
        return told(self.family, self.local)

    def name_itself_for(self, target: Where) -> None:
        """What is sent to `target` comes from this address and port, from now on."""
        address = self.stack.source_for(target.address, self.family)
        if not self._has_port:
            self.take_port(Where(address, 0))
        elif is_any(self.local.address):
            self.local = Where(address, self.local.port)
