"""Scripted vaults, and strangers among them."""

from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.register.layout import VAULT_PORT
from glitchgrid.lab.register.scripted.stranger import stranger
from glitchgrid.testing import World, simulated

ASKS = b"GET / HTTP/1.1\r\nHost: vault\r\n\r\n"


class Talker(Protocol):
    """Asks, and hears what comes."""

    transport: Any
    heard = b""
    ended = ""

    def connectionMade(self) -> None:
        self.transport.write(ASKS)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = type(reason.value).__name__


def answered(world: World, how: str, *, is_told_to_end: bool = False) -> Talker:
    """What somebody hears who asks a stranger."""
    talker = Talker()
    far = world["far"]

    def answer(reactor: Any) -> None:
        inside = Inside(world.kernel, far.host, stranger(how))
        inside.reactor = reactor
        service = stranger(how)(inside)
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        service.startService()

    def ask(reactor: Any) -> None:
        connectProtocol(TCP4ClientEndpoint(reactor, far.address, VAULT_PORT), talker)

    far.run(answer)
    world.run(1)
    world["near"].run(ask)
    assert world.run(1, until=lambda: talker.heard)
    if is_told_to_end:
        far.stop()
    world.run(0.2)
    return talker


@pytest.mark.parametrize("is_told_to_end", [False, True])
@simulated(seeds=1, modules="shared")
def test_a_broken_answer_is_broken_whatever_ends_it(world: World, is_told_to_end: bool) -> None:
    """Ended in good order it would be whole: an HTTP/1.0 answer ends with its connection (seed 10753)."""
    talker = answered(world, "without a length, broken", is_told_to_end=is_told_to_end)
    assert talker.ended == "ConnectionLost"
    assert talker.heard.startswith(b"HTTP/1.0 200 OK\r\n")


@simulated(seeds=1, modules="shared")
def test_others_end_in_good_order(world: World) -> None:
    assert answered(world, "cut").ended == "ConnectionDone"
