"""magic-wormhole-transit-relay, as `twistd transitrelay` runs it: it joins two clients that give it one token."""

from typing import Any

from lost import LOST
from twisted.internet import defer, endpoints, protocol, task

from glitchgrid.testing import World, simulated

TOKEN = b"please relay " + b"a" * 64 + b" for side "
SAID = {b"1" * 16: b"hello from one", b"2" * 16: b"hello from two, who has more to say"}


class Side(protocol.Protocol):
    transport: Any

    def __init__(self, side: bytes, heard: dict[bytes, bytes]) -> None:
        self.side = side
        self.heard = heard
        self.data = b""
        self.is_over: defer.Deferred[None] = defer.Deferred()

    def connectionMade(self) -> None:
        self.transport.write(TOKEN + self.side + b"\n")

    def dataReceived(self, data: bytes) -> None:
        before = self.data
        self.data += data
        if self.data.startswith(b"ok\n"):
            if not before.startswith(b"ok\n"):
                self.transport.write(SAID[self.side])
            self.heard[self.side] = self.data.removeprefix(b"ok\n")

    def connectionLost(self, reason: Any = None) -> None:
        self.is_over.callback(None)


async def talk(reactor: Any, side: bytes, heard: dict[bytes, bytes]) -> None:
    """Again and again: a connection that the relay has lost is made anew, and so is one where nobody came."""
    endpoint = endpoints.clientFromString(reactor, "tcp:relay:4001:timeout=2")
    while True:
        await task.deferLater(reactor, 1, lambda: None)
        made = Side(side, heard)
        try:
            await endpoint.connect(protocol.Factory.forProtocol(lambda made=made: made))
        except LOST:
            continue
        made.is_over.addTimeout(5, reactor)
        try:
            await made.is_over
        except LOST:
            made.transport.abortConnection()


@simulated(seeds=50)
def test_two_hear_each_other(world: World) -> None:
    heard: dict[bytes, bytes] = {}
    world["relay"].run("-n", "--pidfile=", "transitrelay", "--port=tcp:4001")
    for number, side in enumerate(SAID):
        world[f"client{number}"].run(talk, side, heard)
    world.faults("kill", "cut", "pause", on=["relay"], until=10)
    one, two = SAID
    world.always(lambda: SAID[two].startswith(heard.get(one, b"")), "one hears what two has said")
    assert world.run(60, until=lambda: heard.get(one) == SAID[two] and heard.get(two) == SAID[one]), heard
