"""What the state machines of this package have in common: pairs of a real socket or pipe and one of the world."""

import os
import socket
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.parity.both import WANTED, Both

SOCKETS_MAX = 7
places = st.integers(0, SOCKETS_MAX)
few = settings(max_examples=int(os.environ.get("PARITY_EXAMPLES", "250")), stateful_step_count=40)
"""For the ordinary suite. PARITY_EXAMPLES=3000 looks longer."""


class LikeLinux(RuleBasedStateMachine):
    """:ivar pairs: of a real one and the world's; a place means the one there, or the one that is left of its rest."""

    def __init__(self) -> None:
        super().__init__()
        self.both = Both()
        self.pairs: list[tuple[Any, Any]] = []

    def teardown(self) -> None:
        for real, _ in self.pairs:
            real.close()

    def place(self, asked: int) -> int:
        return asked % len(self.pairs)

    def own(self, system: Any, place: int) -> Any:
        return self.pairs[self.place(place)][system is self.both.world]

    def each(self, place: int, call: Any, *, waits: bool = False) -> Any:
        return self.both.do(lambda system: call(self.own(system, place)), waits=waits)

    def make(self, *what: Any) -> None:
        """A socket of that family and kind."""
        self.add(self.both.linux.socket(*what), self.both.world.do(lambda world: world.socket(*what)))

    def add(self, real: Any, ours: Any) -> None:
        """Both wait for nothing."""
        real.setblocking(False)
        self.both.world.do(lambda _: ours.setblocking(False))
        self.pairs.append((real, ours))

    # Readiness.

    @rule()
    def poll(self) -> None:
        self.both.do(self.polled, waits=True)

    @rule()
    def select(self) -> None:
        self.both.do(self.selected, waits=True)

    @rule()
    def wait_with_epoll(self) -> None:
        self.both.do(self.waited, waits=True)

    def open_ones(self, system: Any) -> dict[int, int]:
        """Places by descriptors."""
        found = ((self.own(system, place).fileno(), place) for place in range(len(self.pairs)))
        return {descriptor: place for descriptor, place in found if descriptor >= 0}

    def polled(self, system: Any) -> dict[int, int]:
        asked, places = system.poll(), self.open_ones(system)
        for descriptor in places:
            asked.register(descriptor, WANTED)
        return {places[descriptor]: events for descriptor, events in asked.poll(0)}

    def waited(self, system: Any) -> dict[int, int]:
        places = self.open_ones(system)
        with system.epoll() as asked:
            for descriptor in places:
                asked.register(descriptor, WANTED)
            return {places[descriptor]: events for descriptor, events in asked.poll(0)}

    def selected(self, system: Any) -> list[list[int]]:
        places = self.open_ones(system)
        found = system.select(list(places), list(places), list(places), 0)
        return [sorted(places[each] for each in some) for some in found]


class SocketsLikeLinux(LikeLinux):
    @rule(place=places)
    def close(self, place: int) -> None:
        self.each(place, lambda own: own.close())

    def accept_one(self, place: int) -> None:
        """Accept whoever has waited longest at a stream's socket, if anybody does."""
        kept: list[int] = []

        def call(system: Any) -> Any:
            descriptor, address = self.own(system, place)._accept()
            kept.append(descriptor)
            return address

        self.both.do(call)
        if kept:
            ours, real = kept
            family = self.pairs[self.place(place)][0].family
            made = self.both.world.do(lambda world: world.socket(family, socket.SOCK_STREAM, 0, ours))
            self.add(socket.socket(family, socket.SOCK_STREAM, 0, real), made)


LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
ANY: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
families = st.sampled_from(list(LOOPBACK))


class InternetLikeLinux(SocketsLikeLinux):
    """Ports are called by names, for both have others."""

    def family(self, place: int) -> int:
        return int(self.pairs[self.place(place)][0].family)

    def name(self, place: int) -> str | None:
        """What both call the port of a socket."""
        real, ours = self.pairs[self.place(place)]
        if real.fileno() < 0:
            return None
        ports: list[int] = [real.getsockname()[1], self.both.world.do(lambda _: ours.getsockname())[1]]
        assert bool(ports[0]) == bool(ports[1])
        if not ports[0]:
            return None
        name = self.both.linux.names.setdefault(ports[0], f"port {len(self.both.linux.names)}")
        assert self.both.world.names.setdefault(ports[1], name) == name
        return name

    def address(self, system: Any, host: str, name: str) -> Any:
        return host, next(port for port, found in system.names.items() if found == name)
