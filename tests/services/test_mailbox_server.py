"""magic-wormhole-mailbox-server, as `twistd wormhole-mailbox` runs it, with two magic-wormhole clients."""

from typing import Any

import wormhole
from twisted.internet import defer, task
from wormhole.errors import ServerConnectionError

from glitchgrid.testing import World, simulated

MESSAGES = [b"hello across", b"one more"]


async def connected(reactor: Any) -> Any:
    """A wormhole whose server is there: it gives up where its first connection fails, and makes later ones anew."""
    while True:
        made = wormhole.create("example.com/test", "ws://server:4000/v1", reactor)
        try:
            await made.get_welcome()
        except ServerConnectionError:
            await task.deferLater(reactor, 1, lambda: None)
        else:
            made.set_code("4-purple-sausages")
            return made


async def send(reactor: Any) -> None:
    one = await connected(reactor)
    for each in MESSAGES:
        one.send_message(each)
    await defer.Deferred()


async def receive(reactor: Any, heard: list[bytes]) -> None:
    other = await connected(reactor)
    while True:
        heard.append(await other.get_message())


def meet(world: World, database: str) -> list[bytes]:
    """What the receiver has heard so far."""
    heard: list[bytes] = []
    world["server"].run("-n", "--pidfile=", "wormhole-mailbox", "--port=tcp:4000", f"--channel-db={database}")
    world["sender"].run(send)
    world["receiver"].run(receive, heard)
    world.always(lambda: heard == MESSAGES[: len(heard)], "each message arrives once, and in order")
    return heard


@simulated(seeds=50)
def test_messages_in_memory(world: World) -> None:
    heard = meet(world, ":memory:")
    world.faults("cut", "pause", "slow", on=["server"], until=10)
    assert world.run(120, until=lambda: heard == MESSAGES), heard


@simulated(seeds=50)
def test_messages_outlive_the_server(world: World) -> None:
    heard = meet(world, "relay.sqlite")
    world.faults("kill", "cut", "pause", on=["server"], until=10)
    assert world.run(120, until=lambda: heard == MESSAGES), heard


@simulated(seeds=50)
def test_messages_outlive_a_power_loss(world: World) -> None:
    heard = meet(world, "relay.sqlite")
    world.faults("power loss", "cut", "pause", on=["server"], until=10)
    # A client that hears nothing of its server asks every 30 s, and gives it 60 s for the answer.
    assert world.run(600, until=lambda: heard == MESSAGES), heard
