"""TCP of the world beside that of the machine that tests run on: the same answers, errors and readiness."""

import socket
import struct

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.parity.machine import ANY, LOOPBACK, SOCKETS_MAX, InternetLikeLinux, families, few, places

BACKLOG = 16
"""More than there are sockets. Where it is full Linux lets clients believe that they are connected, and the world lets
them wait: see `Tcp.has_room`."""

ELSEWHERE: dict[int, str] = {socket.AF_INET: "8.8.8.8", socket.AF_INET6: "2001:db8::1"}

sizes = st.sampled_from([0, 1, 2, 5, 1000, 30_000])


class TcpLikeLinux(InternetLikeLinux):
    def __init__(self) -> None:
        super().__init__()
        self.connected: set[str | None] = set()
        """The ports that had a connection."""
        self.shut_early: set[int] = set()
        """Those that were shut down without a connection: Linux sends a FIN for that when there is one at last."""

    @initialize(family=families)
    def begin(self, family: int) -> None:
        for _ in range(2):
            self.make(family, socket.SOCK_STREAM)

    # Calls.

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(family=families)
    def one_more(self, family: int) -> None:
        self.make(family, socket.SOCK_STREAM)

    @rule(place=places, host=st.sampled_from(["loopback", "any", "elsewhere"]))
    def bind(self, place: int, host: str) -> None:
        address = {"loopback": LOOPBACK, "any": ANY, "elsewhere": ELSEWHERE}[host][self.family(place)]
        self.each(place, lambda own: own.bind((address, 0)))
        self.name(place)

    @rule(place=places, other=places, host=st.sampled_from([LOOPBACK, ANY]))
    def bind_where_somebody_is(self, place: int, other: int, host: dict[int, str]) -> None:
        """Where no connection was: what Linux remembers of one for a minute (TIME_WAIT) the world does not."""
        name = self.name(other)
        if name is not None and name not in self.connected:
            address = host[self.family(place)]
            self.both.do(lambda system: self.own(system, place).bind(self.address(system, address, name)))

    @rule(place=places)
    def reuse(self, place: int) -> None:
        self.each(place, lambda own: own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1))

    @rule(place=places)
    def linger(self, place: int) -> None:
        self.each(place, lambda own: own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)))

    @rule(place=places)
    def listen(self, place: int) -> None:
        if self.place(place) in self.shut_early:
            return
        self.each(place, lambda own: own.listen(BACKLOG))
        self.name(place)

    @rule(place=places, other=places)
    def connect(self, place: int, other: int) -> None:
        name = self.name(other)
        if self.place(place) in self.shut_early or name is None or name == self.name(place):
            return  # a socket that connects to itself is connected, on Linux: nobody wants that
        host = LOOPBACK[self.family(place)]
        self.both.do(lambda system: self.own(system, place).connect_ex(self.address(system, host, name)))
        self.connected |= {name, self.name(place)}

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(place=places)
    def accept(self, place: int) -> None:
        self.accept_one(place)

    @rule(place=places, size=sizes)
    def send(self, place: int, size: int) -> None:
        self.each(place, lambda own: own.send(b"x" * size))

    @rule(place=places, size=sizes, flags=st.sampled_from([0, 0, socket.MSG_PEEK]))
    def receive(self, place: int, size: int, flags: int) -> None:
        self.each(place, lambda own: own.recv(size, flags))

    @rule(place=places, how=st.sampled_from([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))
    def shut_down(self, place: int, how: int) -> None:
        if self.name(place) not in self.connected:
            self.shut_early.add(self.place(place))
        self.each(place, lambda own: own.shutdown(how))

    @rule(place=places)
    def ask_for_the_error(self, place: int) -> None:
        self.each(place, lambda own: own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    @rule(place=places)
    def ask_for_names(self, place: int) -> None:
        self.each(place, lambda own: own.getsockname())
        self.each(place, lambda own: own.getpeername(), waits=True)
        self.each(place, lambda own: own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


TestTcpLikeLinux = TcpLikeLinux.TestCase
TestTcpLikeLinux.settings = few
