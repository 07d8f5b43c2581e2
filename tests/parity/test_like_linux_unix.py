"""UNIX sockets of the world beside those of the machine that tests run on: the same answers, errors and readiness."""

import array
import shutil
import socket
import tempfile
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.parity.machine import SOCKETS_MAX, SocketsLikeLinux, few, places

PATHS = ("a", "b", "c", "nowhere/d", "")
ABSTRACT = ("@a", "@b")

names = st.sampled_from((*PATHS, *ABSTRACT))
kinds = st.sampled_from([socket.SOCK_STREAM, socket.SOCK_DGRAM])
sizes = st.sampled_from([0, 1, 3, 500])
"""What fills a buffer is left out: what a message costs there depends on the kernel's version (see `unix.cost`)."""


class UnixLikeLinux(SocketsLikeLinux):
    """Names begin with another directory, or word, in each of both."""

    def __init__(self) -> None:
        super().__init__()
        self.shut: set[int] = set()
        """Which of two reasons keeps one from sending that is not connected, too, differs between versions of Linux."""
        self.directory = tempfile.mkdtemp()
        self.roots: dict[Any, str] = {self.both.linux: self.directory, self.both.world: "/v"}
        self.both.world.do(lambda world: world.mkdir("/v"))
        for system, root in self.roots.items():
            for name in PATHS[:3]:
                system.names[f"{root}/{name}"] = name
            for name in ABSTRACT:
                system.names[f"\0{root}/{name}".encode()] = name

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.directory)

    def address(self, system: Any, name: str) -> str | bytes:
        if name in ABSTRACT:
            return f"\0{self.roots[system]}/{name}".encode()
        return f"{self.roots[system]}/{name}" if name else ""

    def is_in_doubt(self, place: int) -> bool:
        return self.place(place) in self.shut and self.pairs[self.place(place)][0].type == socket.SOCK_DGRAM

    @initialize(kind=kinds)
    def begin(self, kind: int) -> None:
        for _ in range(2):
            self.make(socket.AF_UNIX, kind)

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(kind=kinds)
    def one_more(self, kind: int) -> None:
        self.make(socket.AF_UNIX, kind)

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX - 1)
    @rule(kind=kinds)
    def a_pair(self, kind: int) -> None:
        real = self.both.linux.socketpair(socket.AF_UNIX, kind)
        ours = self.both.world.do(lambda world: world.socketpair(socket.AF_UNIX, kind))
        for pair in zip(real, ours, strict=True):
            self.add(*pair)

    @rule(place=places, name=st.sampled_from((*PATHS[:-1], *ABSTRACT)))
    def bind(self, place: int, name: str) -> None:
        """To no name of its own: Linux draws those which it makes up."""
        self.both.do(lambda system: self.own(system, place).bind(self.address(system, name)))

    @rule(name=st.sampled_from(PATHS[:3]))
    def unlink(self, name: str) -> None:
        self.both.do(lambda system: system.unlink(self.address(system, name)))

    @rule(place=places)
    def listen(self, place: int) -> None:
        self.each(place, lambda own: own.listen(SOCKETS_MAX))

    @rule(place=places, backlog=st.integers(-1, 2))
    def listen_to_few(self, place: int, backlog: int) -> None:
        self.each(place, lambda own: own.listen(backlog))

    @rule(place=places, name=names)
    def connect(self, place: int, name: str) -> None:
        self.both.do(lambda system: self.own(system, place).connect_ex(self.address(system, name)))

    @precondition(lambda self: len(self.pairs) < SOCKETS_MAX)
    @rule(place=places)
    def accept(self, place: int) -> None:
        self.accept_one(place)

    @rule(place=places, size=sizes)
    def send(self, place: int, size: int) -> None:
        if self.is_in_doubt(place):
            return
        self.each(place, lambda own: own.send(b"x" * size))

    @rule(place=places, name=names, size=sizes)
    def send_to(self, place: int, name: str, size: int) -> None:
        if self.is_in_doubt(place):
            return
        self.both.do(lambda system: self.own(system, place).sendto(b"y" * size, self.address(system, name)))

    @rule(place=places, size=sizes, flags=st.sampled_from([0, 0, socket.MSG_PEEK]))
    def receive(self, place: int, size: int, flags: int) -> None:
        self.each(place, lambda own: own.recvfrom(size, flags))

    @rule(place=places, count=st.integers(1, 3), size=st.sampled_from([0, 1, 5]))
    def send_descriptors(self, place: int, count: int, size: int) -> None:
        """Those of a pipe."""
        if self.is_in_doubt(place):
            return

        def call(system: Any) -> Any:
            ends = system.pipe()
            beside = array.array("i", [ends[each % 2] for each in range(count)])
            try:
                return self.own(system, place).sendmsg(
                    [b"d" * size], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, beside)]
                )  # fmt: skip
            finally:
                for end in ends:
                    system.close(end)

        self.both.do(call)

    @rule(place=places, size=st.sampled_from([0, 1, 3, 30_000]), room=st.integers(0, 3))
    def receive_descriptors(self, place: int, size: int, room: int) -> None:
        def call(system: Any) -> Any:
            data, beside, flags, source = self.own(system, place).recvmsg(
                size, socket.CMSG_LEN(4 * room) if room else 0
            )
            found = array.array("i")
            for _, _, each in beside:
                found.frombytes(each)
            for descriptor in found:
                system.close(descriptor)
            return data, len(found), int(flags) & (socket.MSG_TRUNC | socket.MSG_CTRUNC), source

        self.both.do(call)

    @rule(place=places, how=st.sampled_from([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))
    def shut_down(self, place: int, how: int) -> None:
        self.shut.add(self.place(place))
        self.each(place, lambda own: own.shutdown(how))

    @rule(place=places)
    def ask_for_the_error(self, place: int) -> None:
        self.each(place, lambda own: own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    @rule(place=places)
    def ask_for_names(self, place: int) -> None:
        self.each(place, lambda own: own.getsockname())
        self.each(place, lambda own: own.getpeername())
        self.each(place, lambda own: own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


TestUnixLikeLinux = UnixLikeLinux.TestCase
TestUnixLikeLinux.settings = few
