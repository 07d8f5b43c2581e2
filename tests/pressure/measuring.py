"""One kind of pressure on one server: what it held before, meanwhile and afterwards, and how long others waited."""

import asyncio

from attrs import frozen

from tests.end_to_end.processes import Server
from tests.pressure.kinds import Pressure, Seen
from tests.pressure.other import WITHOUT_TLS, Client, Waits, reading
from tests.pressure.watching import GIVES_BACK_S, Held, Watched

BEFORE_S = 4.0
LOOK_EVERY_S = 0.1


@frozen
class Measured:
    """:ivar busy: the share of a processor that the server used meanwhile.
    :ivar lives: whether it was there at the end.
    """

    before: Held
    most: Held
    after: Held
    busy: float
    alone: Waits
    meanwhile: Waits
    seen: Seen
    lives: bool


async def measure(
    server: Server,
    pressure: Pressure,
    seconds: float,
    client: Client = WITHOUT_TLS,
    gives_back_s: float = GIVES_BACK_S,
) -> Measured:
    """Press, and look on.

    :param gives_back_s: what it holds afterwards is looked at so long after its last descriptor is closed.
    """
    loop = asyncio.get_running_loop()
    watched = Watched(server)
    async with reading(server.port, client) as alone:
        await asyncio.sleep(BEFORE_S)
    before = watched.held()
    cpu_s, began_s, most = watched.cpu_s(), loop.time(), before
    async with reading(server.port, client) as meanwhile:
        pressing = asyncio.ensure_future(pressure(server.port, seconds))
        while not pressing.done():
            held = watched.held()
            most = Held(max(most.memory_mib, held.memory_mib), max(most.descriptors, held.descriptors))
            await asyncio.sleep(LOOK_EVERY_S)
    busy = (watched.cpu_s() - cpu_s) / (loop.time() - began_s)
    after = await watched.settled(before.descriptors, gives_back_s)
    return Measured(before, most, after, busy, alone.waits, meanwhile.waits, await pressing, watched.lives)
