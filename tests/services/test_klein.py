"""klein's example of an application that keeps items, with treq's client."""

import json
from pathlib import Path
from typing import Any

from lost import LOST
from treq.client import HTTPClient
from twisted.internet import task
from twisted.web.client import Agent

from glitchgrid.testing import World, simulated

SERVER = Path(__file__).parent / "programs" / "klein_items.py"


async def ask(reactor: Any, method: str, item: str, **more: Any) -> Any:
    client = HTTPClient(Agent(reactor, connectTimeout=2))
    response = await client.request(method, f"http://server:8080/{item}", reactor=reactor, timeout=3, **more)
    return json.loads(await response.text())


async def use(reactor: Any, world: World, name: str) -> None:
    for number in range(10):
        await task.deferLater(reactor, 0.5, lambda: None)
        item = "tea" if number % 2 else "milk"
        write = world.history.call(name, "write", f"{name}-{number}", key=item)
        try:
            await ask(reactor, "PUT", item, json=f"{name}-{number}")
        except LOST:
            write.ambiguous()
        else:
            write.ok()
        read = world.history.call(name, "read", key=item)
        try:
            read.ok(await ask(reactor, "GET", item))
        except LOST:
            read.failed()


@simulated(seeds=50)
def test_items_are_registers(world: World) -> None:
    world["server"].run_script(str(SERVER))
    for name in ("one", "other"):
        world[name].run(use, world, name)
    # No kill: the items are in memory.
    world.faults("cut", "reset", "pause", "slow", on=["server"], until=8)
    world.run(60)
    world.history.check("register")
