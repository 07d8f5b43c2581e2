"""UDP sockets as open files: datagrams between machines, which may be lost, and overtake each other."""

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from glitchgrid.simulation.kernel.addresses import (
    BROADCAST,
    LOOPBACK4,
    LOOPBACK6,
    MAPPED,
    Where,
    anywhere,
    is_any,
    is_loopback,
    is_multicast,
    plain,
    told,
)
from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, RDHUP, OpenFile, error
from glitchgrid.simulation.kernel.socket_file import BUFFER_BYTES, InternetFile, Received
from glitchgrid.simulation.kernel.stack import Ports, Stack

DATAGRAM_BYTES_MAX = 65_507
"""What fits into a packet of IPv4 behind its header and UDP's own."""

_JOIN = {(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP), (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP)}
_LEAVE = {(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP), (socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP)}
_LOOP = (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP)
_BROADCAST = (socket.SOL_SOCKET, socket.SO_BROADCAST)


class Udp(InternetFile):
    """:ivar remote: where `send` sends to, and all that is received comes from; None before `connect`."""

    def __init__(self, stack: Stack, family: int = socket.AF_INET) -> None:
        super().__init__(stack, family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        self.groups: set[str] = set()
        self._received: deque[tuple[bytes, Where]] = deque()
        self._received_bytes = 0
        self._reads_no_more = False
        self._writes_no_more = False

    @property
    def _ports(self) -> "Ports[Udp]":
        return self.stack.udp

    def _require_own(self, where: Where) -> None:
        if where.address != BROADCAST and not is_multicast(where.address):
            super()._require_own(where)

    def connect(self, address: Any, call: str) -> int:
        where = self.parsed(address, call)
        if is_any(where.address):
            where = Where(self.stack.source_for(where.address, self.family), where.port)
        if self.stack.at(where.address) is None:
            return errno.ENETUNREACH
        self.name_itself_for(where)
        self.remote = where
        return 0

    def remote_name(self) -> Any:
        if self.remote is None:
            raise error(errno.ENOTCONN)
        return told(self.family, self.remote)

    def send(self, data: bytes, address: Any = None, _files: Sequence[OpenFile] = ()) -> int:
        """:raises OSError: EMSGSIZE for what fits into no packet, ENETUNREACH where there is no such machine."""
        where = self.remote if address is None else self.parsed(address, "sendto")
        self.raise_error()
        if where is None:
            raise error(errno.EDESTADDRREQ)
        if not where.port:
            raise error(errno.EINVAL)
        if len(data) > DATAGRAM_BYTES_MAX:
            raise error(errno.EMSGSIZE)
        if self._writes_no_more:
            raise error(errno.EPIPE)
        if not self._has_port:
            self.take_port(Where(anywhere(self.family), 0))
        self._send_to(bytes(data), where)
        return len(data)

    def receive(self, size: int, *, peek: bool = False) -> Received:
        """A datagram, cut off behind `size`.

        :raises OSError: EAGAIN where there is none.
        """
        self.raise_error()
        if not self._received:
            if self._reads_no_more:
                return Received(b"", 0)
            raise error(errno.EAGAIN)
        data, source = self._received[0]
        if not peek:
            self._received.popleft()
            self._received_bytes -= len(data)
        return Received(data[:size], len(data), told(self.family, source))

    def shutdown(self, how: int) -> None:
        if self.remote is None:
            raise error(errno.ENOTCONN)
        self._reads_no_more |= how in {socket.SHUT_RD, socket.SHUT_RDWR}
        self._writes_no_more |= how in {socket.SHUT_WR, socket.SHUT_RDWR}
        self.changed()

    def set_option(self, level: int, option: int, value: int | bytes | None) -> None:
        if (level, option) in _JOIN | _LEAVE:
            assert isinstance(value, bytes), "a group is given by its address"
            family, size = (socket.AF_INET, 4) if level == socket.IPPROTO_IP else (socket.AF_INET6, 16)
            group = socket.inet_ntop(family, value[:size])
            self._join(group, leaves=(level, option) in _LEAVE)
            return
        super().set_option(level, option, value)

    def _join(self, group: str, *, leaves: bool) -> None:
        if not is_multicast(group):
            raise error(errno.EINVAL)
        if leaves != (group in self.groups):
            raise error(errno.EADDRNOTAVAIL if leaves else errno.EADDRINUSE)
        (self.groups.discard if leaves else self.groups.add)(group)

    @property
    def events(self) -> int:
        over = IN | RDHUP if self._reads_no_more else 0
        if self._reads_no_more and self._writes_no_more:
            over |= HUP
        return OUT | over | (IN if self._received else 0) | (IN | ERR if self._error else 0)

    def close(self) -> None:
        self.is_closed = True
        self.free_port()

    vanish = close

    # On the way.

    def _send_to(self, data: bytes, where: Where) -> None:
        if where.address == BROADCAST and not self.options.get(_BROADCAST):
            raise error(errno.EACCES)
        source = Where(self._source(where.address), self.local.port)
        if where.address == BROADCAST or is_multicast(where.address):
            for each in self.stack.others():
                self._send_one(data, source, each, where)
            if self.option(*_LOOP) or where.address == BROADCAST:
                self._arrives(data, source, self.stack, where)
            return
        target = self.stack.at(where.address)
        if target is None:
            raise error(errno.ENETUNREACH)
        self._send_one(data, source, target, where)

    def _source(self, address: str) -> str:
        if not is_any(self.local.address):
            return self.local.address
        family = socket.AF_INET if "." in plain(address) else socket.AF_INET6
        if is_loopback(address):
            return LOOPBACK4 if family == socket.AF_INET else LOOPBACK6
        return self.stack.address(family)

    def _send_one(self, data: bytes, source: Where, target: Stack, where: Where) -> None:
        if target is self.stack:
            self._arrives(data, source, target, where)
            return
        link = self.stack.link_to(target)
        delay_ns = link.datagram_ns()
        if delay_ns is None:
            return
        if link.is_held:
            link.keep(lambda: self._arrives(data, source, target, where))
        else:
            self.stack.host.world.after(delay_ns, self._arrives, data, source, target, where)

    def _arrives(self, data: bytes, source: Where, target: Stack, where: Where) -> None:
        if not target.host.is_powered:
            return
        if is_multicast(where.address):
            takers = [each for each in target.udp.having(where.port) if plain(where.address) in each.groups]
        elif where.address == BROADCAST:
            takers = [each for each in target.udp.having(where.port) if is_any(each.local.address)]
        else:
            takers = target.udp.at(where)[:1]
            if not takers:
                self._refused(target, where)
        for taker in takers:
            taker.take(data, source)

    def take(self, data: bytes, source: Where) -> None:
        """A datagram has come; it is dropped where there is no room for it, or it comes from another than it may."""
        expected = self.remote
        if expected is not None and (expected.plain, expected.port) != (source.plain, source.port):
            return
        if self._received_bytes < BUFFER_BYTES:
            mapped = self.family == socket.AF_INET6 and "." in source.address and MAPPED not in source.address
            self._received.append((data, Where(MAPPED + source.address, source.port) if mapped else source))
            self._received_bytes += len(data)
            self.changed()

    def _refused(self, target: Stack, where: Where) -> None:
        """ICMP says that nobody has that port; only a connected socket is told (udp(7))."""
        if self.remote is not None and self.stack.at(self.remote.address) is target and self.remote.port == where.port:
            self._error = errno.ECONNREFUSED
            self.changed()
