"""UDP of the world beside that of the machine that tests run on: the same answers, errors and readiness."""

import socket
import struct

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.parity.machine import ANY, LOOPBACK, SOCKETS_MAX, InternetLikeLinux, families, few, places

GROUPS = ("224.0.0.251", "239.1.2.3")
CLOSED = "the port of nobody"

sizes = st.sampled_from([0, 1, 7, 1500, 65_507, 65_508])


class UdpLikeLinux(InternetLikeLinux):
    def __init__(self) -> None:
        super().__init__()
        self.groups: set[tuple[int, str]] = set()

    @initialize(family=families)
    def begin(self, family: int) -> None:
        """Two sockets, and a port that nobody has."""
        for _ in range(3):
            self.make(family, socket.SOCK_DGRAM)
        self.bind(2, "loopback")
        self.closed = self.name(2)
        self.close(2)

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(family=families)
    def one_more(self, family: int) -> None:
        self.make(family, socket.SOCK_DGRAM)

    @rule(place=places, host=st.sampled_from(["loopback", "any", "any"]))
    def bind(self, place: int, host: str) -> None:
        address = {"loopback": LOOPBACK, "any": ANY}[host][self.family(place)]
        self.each(place, lambda own: own.bind((address, 0)))
        self.name(place)

    @rule(place=places, other=places, host=st.sampled_from([LOOPBACK, ANY]))
    def bind_where_somebody_is(self, place: int, other: int, host: dict[int, str]) -> None:
        name = self.name(other)
        if name is not None:
            address = host[self.family(place)]
            self.both.do(lambda system: self.own(system, place).bind(self.address(system, address, name)))

    @rule(place=places)
    def reuse(self, place: int) -> None:
        """Not SO_REUSEPORT: which of those sockets gets a datagram, Linux draws by a hash of addresses and ports."""
        self.each(place, lambda own: own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1))

    def target(self, other: int | None) -> str | None:
        return self.closed if other is None else self.name(other)

    @rule(place=places, other=places | st.none())
    def connect(self, place: int, other: int | None) -> None:
        name = self.target(other)
        if name is not None:
            host = LOOPBACK[self.family(place)]
            self.both.do(lambda system: self.own(system, place).connect_ex(self.address(system, host, name)))
            self.name(place)

    @rule(place=places, size=sizes)
    def send(self, place: int, size: int) -> None:
        self.each(place, lambda own: own.send(b"x" * size))
        self.name(place)

    @rule(place=places, other=places | st.none(), size=sizes)
    def send_to(self, place: int, other: int | None, size: int) -> None:
        name = self.target(other)
        if name is not None:
            host = LOOPBACK[self.family(place)]
            self.both.do(lambda system: self.own(system, place).sendto(b"y" * size, self.address(system, host, name)))
            self.name(place)

    @rule(place=places, size=st.sampled_from([0, 1, 5, 70_000]), flags=st.sampled_from([0, 0, socket.MSG_PEEK]))
    def receive(self, place: int, size: int, flags: int) -> None:
        self.each(place, lambda own: own.recvfrom(size, flags))

    @rule(place=places, size=st.sampled_from([0, 1, 5, 70_000]))
    def receive_message(self, place: int, size: int) -> None:
        self.each(place, lambda own: own.recvmsg(size))

    @rule(place=places, how=st.sampled_from([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))
    def shut_down(self, place: int, how: int) -> None:
        self.each(place, lambda own: own.shutdown(how))

    @rule(place=places)
    def ask_for_the_error(self, place: int) -> None:
        self.each(place, lambda own: own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), waits=True)

    @rule(place=places)
    def ask_for_names(self, place: int) -> None:
        self.each(place, lambda own: own.getsockname())
        self.each(place, lambda own: own.getpeername())

    @rule(place=places, group=st.sampled_from(GROUPS), leaves=st.booleans())
    def join(self, place: int, group: str, leaves: bool) -> None:
        """Groups of IPv4, by the interface of the machine itself."""
        if self.family(place) == socket.AF_INET:
            option = socket.IP_DROP_MEMBERSHIP if leaves else socket.IP_ADD_MEMBERSHIP
            asked = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("127.0.0.1"))
            self.each(place, lambda own: own.setsockopt(socket.IPPROTO_IP, option, asked))

    @rule(place=places, other=places, group=st.sampled_from(GROUPS))
    def send_to_a_group(self, place: int, other: int, group: str) -> None:
        name = self.name(other)
        if name is not None and self.family(place) == socket.AF_INET:
            loopback = socket.inet_aton("127.0.0.1")
            self.each(place, lambda own: own.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback))
            self.both.do(lambda system: self.own(system, place).sendto(b"z", self.address(system, group, name)))
            self.name(place)


TestUdpLikeLinux = UdpLikeLinux.TestCase
TestUdpLikeLinux.settings = few
