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

DATAGRAM_BYTES_MAX = {socket.AF_INET: 65_507, socket.AF_INET6: 65_527}
"""What fits into a packet behind UDP's header, and for IPv4 its own, which counts."""

LENGTH_MAX = 65_535
"""What UDP's header can say."""

_JOIN = {(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP), (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP)}
_LEAVE = {(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP), (socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP)}
_LOOP = (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP)
_INTERFACE = (socket.IPPROTO_IP, socket.IP_MULTICAST_IF)
"""By its address (ip(7)): that of the machine itself means it alone."""

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
        """In the order in which Linux looks: a port comes first, whatever follows; what ICMP has said comes late.

        :raises OSError: EMSGSIZE for what fits into no packet, ENETUNREACH where there is no such machine.
        """
        if not self._has_port:
            self.take_port(Where(anywhere(self.family), 0))
        if len(data) > LENGTH_MAX:
            raise error(errno.EMSGSIZE)
        where = self.remote if address is None else self.parsed(address, "sendto")
        if where is None:
            raise error(errno.EDESTADDRREQ)
        if not where.port:
            raise error(errno.EINVAL)
        if len(data) > DATAGRAM_BYTES_MAX[socket.AF_INET if "." in where.plain else socket.AF_INET6]:
            raise error(errno.EMSGSIZE)
        self.raise_error()
        if self._writes_no_more:
            raise error(errno.EPIPE)
        self._send_to(bytes(data), where)
        return len(data)

    def receive(self, size: int, *, peek: bool = False) -> Received:
        """A datagram, cut off behind `size`.

        :raises OSError: EAGAIN where there is none: behind `shutdown`, too, for who does not wait.
        """
        self.raise_error()
        if not self._received:
            if self._reads_no_more and self.is_blocking:
                return Received(b"", 0)
            raise error(errno.EAGAIN)
        data, source = self._received[0]
        if not peek:
            self._received.popleft()
            self._received_bytes -= len(data)
        return Received(data[:size], len(data), told(self.family, source))

    def shutdown(self, how: int) -> None:
        """:raises OSError: EINVAL, and ENOTCONN for a socket that is not connected: it counts all the same."""
        if how not in {socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR}:
            raise error(errno.EINVAL)
        self._reads_no_more |= how in {socket.SHUT_RD, socket.SHUT_RDWR}
        self._writes_no_more |= how in {socket.SHUT_WR, socket.SHUT_RDWR}
        self.changed()
        if self.remote is None:
            raise error(errno.ENOTCONN)

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
        self.stack.groups[group] += -1 if leaves else 1

    @property
    def events(self) -> int:
        over = IN | RDHUP if self._reads_no_more else 0
        if self._reads_no_more and self._writes_no_more:
            over |= HUP
        return OUT | over | (IN if self._received else 0) | (ERR if self._error else 0)

    def close(self) -> None:
        self.is_closed = True
        self.free_port()
        self.stack.groups.subtract(self.groups)
        self.groups.clear()

    def vanish(self) -> None:
        self.is_closed = True

    # On the way.

    def _send_to(self, data: bytes, where: Where) -> None:
        if where.address == BROADCAST and not self.options.get(_BROADCAST):
            raise error(errno.EACCES)
        source = Where(self._source(where.address), self.local.port)
        if where.address == BROADCAST or is_multicast(where.address):
            for each in () if is_loopback(source.address) else self.stack.others():
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
        interface = self.options.get(_INTERFACE)
        if is_multicast(address) and isinstance(interface, bytes):
            return socket.inet_ntoa(interface[4:8] or interface[:4])
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
        there = target.udp.having(where.port)
        if is_multicast(where.address):
            takers = _of_group(target, there, where, source)
        elif where.address == BROADCAST:
            takers = [each for each in there if is_any(each.local.address)]
        else:
            takers = sorted(target.udp.at(where), key=lambda each: each.fits(source))[-1:]
            takers = [each for each in takers if each.fits(source)]
            if not takers:
                self._refused(target, where)
        for taker in takers:
            taker.take(data, source)

    def fits(self, source: Where) -> int:
        """How well it fits what comes from there: that is for the one which fits best, the latest of several.

        :returns: 0 if it takes nothing from there.
        """
        if self.remote is None:
            return 1 + (not is_any(self.local.address))
        is_its_own = (self.remote.plain, self.remote.port) == (source.plain, source.port)
        return 3 if is_its_own else 0

    def take(self, data: bytes, source: Where) -> None:
        """A datagram has come; it is dropped where there is no room for it."""
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


def _of_group(target: Stack, there: "list[Udp]", where: Where, source: Where) -> "list[Udp]":
    """Whoever has joined the group; and as long as somebody of that machine has, others of its family: of IPv4 all
    (ip(7), of IP_MULTICAST_ALL), of IPv6 those that have joined none.
    """
    group = where.plain
    if not target.groups[group]:
        return []
    family = socket.AF_INET if "." in group else socket.AF_INET6
    return [
        each
        for each in there
        if (group in each.groups or (each.family == family and not (each.groups and family == socket.AF_INET6)))
        and (is_any(each.local.address) or each.local.plain == group)
        and each.fits(source)
    ]
