"""magic-wormhole's transit, by which a file is sent: two clients, joined by magic-wormhole-transit-relay."""

from typing import Any

from lost import LOST
from twisted.internet import defer, task
from wormhole import transit

from glitchgrid.testing import World, simulated

GONE = (*LOST, transit.BadHandshake, transit.TransitError)
KEY = b"k" * 32
RELAY = "tcp:relay:4001"
RECORDS = [f"record {number}".encode() for number in range(10)]


async def pipe(reactor: Any, kind: Any) -> Any:
    """What the other one gets out of, once both are there."""
    side = kind(RELAY, no_listen=True, reactor=reactor)
    side.set_transit_key(KEY)
    side.add_connection_hints(await side.get_connection_hints())
    return await side.connect()


async def send(reactor: Any) -> None:
    """A record each second. It does not look whether anybody is there."""
    try:
        made = await pipe(reactor, transit.TransitSender)
    except GONE:
        return
    for each in RECORDS:
        made.send_record(each)
        await task.deferLater(reactor, 1, lambda: None)
    made.close()


async def receive(reactor: Any, heard: list[bytes], told: list[Any]) -> None:
    try:
        made = await pipe(reactor, transit.TransitReceiver)
        while len(heard) < len(RECORDS):
            heard.append(await made.receive_record())
    except GONE as error:
        told.append(error)
    else:
        told.append(None)
    await defer.Deferred()


@simulated(seeds=50)
def test_who_waits_for_a_record_is_told(world: World) -> None:
    heard: list[bytes] = []
    told: list[Any] = []
    world["relay"].run("-n", "--pidfile=", "transitrelay", "--port=tcp:4001")
    world.run(1)
    world["sender"].run(send)
    world["receiver"].run(receive, heard, told)
    world.faults("kill", "reset", on=["relay"], until=10)
    world.run(120, until=lambda: told)
    assert told, f"it has heard {len(heard)} records, and for the rest it waits"
