"""`twistd web`, which serves a directory."""

from typing import Any

from lost import LOST
from treq.client import HTTPClient
from twisted.internet import task
from twisted.web.client import Agent, HTTPConnectionPool

from glitchgrid.testing import World, simulated

NAME = "long.txt"
CONTENT = b"".join(b"line %d\n" % number for number in range(20_000))


async def fetch(reactor: Any, bodies: list[bytes]) -> None:
    """Over connections that are kept, and now and then a part of it."""
    client = HTTPClient(Agent(reactor, connectTimeout=2, pool=HTTPConnectionPool(reactor)))
    while True:
        await task.deferLater(reactor, 1, lambda: None)
        start = 50_000 * (len(bodies) % 3)
        try:
            response = await client.get(
                f"http://server:8080/{NAME}", headers={"Range": f"bytes={start}-"}, reactor=reactor, timeout=3
            )
            body = await response.content().addTimeout(5, reactor)
        except LOST:
            continue
        assert response.code == 206
        assert body == CONTENT[start:]
        bodies.append(body)


@simulated(seeds=50)
def test_what_is_served_is_whole(world: World) -> None:
    bodies: list[bytes] = []
    world["server"].host.disk.put(f"/srv/{NAME}", CONTENT)
    world["server"].run("-n", "--pidfile=", "web", "--listen=tcp:8080", "--path=/srv")
    world["client"].run(fetch, bodies)
    world.faults("kill", "cut", "reset", "jam", "clog", on=["server"], until=10)
    world.run(10)
    before = len(bodies)
    assert world.run(30, until=lambda: len(bodies) > before + 1)
