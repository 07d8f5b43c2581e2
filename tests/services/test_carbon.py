"""carbon-cache, as its own command runs it: the line receiver, the query of its cache, and the files of whisper."""

import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import whisper
from lost import LOST
from twisted.internet import endpoints, protocol, task
from twisted.protocols.basic import Int32StringReceiver

from glitchgrid.testing import World, simulated

COMMAND = os.path.join(sys.prefix, "bin", "carbon-cache.py")
CONFIGURATION = Path(__file__).with_name("carbon") / "carbon.conf"
FILES = "/srv/graphite/whisper"
METRICS = ("home.kitchen", "home.cellar")


def value_at(second: int) -> float:
    """What is sent tells when it was sent: so a point that was not is known for what it is."""
    return float(second % 1000)


class Sender(protocol.Protocol):
    transport: Any


async def send(reactor: Any, seconds: int) -> None:
    """Two points each second, over a connection that is made anew when it is lost."""
    sender = None
    for _ in range(seconds):
        await task.deferLater(reactor, 1, lambda: None)
        if sender is None or not sender.transport.connected:
            try:
                endpoint = endpoints.clientFromString(reactor, "tcp:server:2003:timeout=1")
                sender = await endpoint.connect(protocol.Factory.forProtocol(Sender))
            except LOST:
                continue
        now = int(time.time())
        sender.transport.write("".join(f"{each} {value_at(now)} {now}\n" for each in METRICS).encode())
    await task.deferLater(reactor, 10, lambda: None)


class Query(Int32StringReceiver):
    def connectionMade(self) -> None:
        self.seen: list[tuple[float, float]] = self.factory.seen
        self.ask()

    def ask(self) -> None:
        self.sendString(pickle.dumps({"type": "cache-query", "metric": METRICS[0]}, protocol=2))

    def stringReceived(self, string: bytes) -> None:
        self.seen += pickle.loads(string)["datapoints"]
        self.factory.reactor.callLater(0.3, self.ask)


def query(reactor: Any, seen: list[tuple[float, float]]) -> None:
    factory = protocol.ReconnectingClientFactory.forProtocol(Query)
    factory.seen, factory.reactor, factory.maxDelay, factory.noisy = seen, reactor, 2, False
    reactor.callLater(1, reactor.connectTCP, "server", 7002, factory)


def read(_reactor: Any, found: dict[str, dict[int, float]]) -> None:
    """What whisper's files have."""
    for each in METRICS:
        (start, end, step), values = whisper.fetch(f"{FILES}/{each.replace('.', '/')}.wsp", 0)
        points = zip(range(start, end, step), values, strict=True)
        found[each] = {second: value for second, value in points if value is not None}


@simulated(seeds=50)
def test_points_come_into_files(world: World) -> None:
    queried: list[tuple[float, float]] = []
    found: dict[str, dict[int, float]] = {}
    world["server"].run_script(COMMAND, "--nodaemon", f"--config={CONFIGURATION}", "start")
    world["client"].run(send, 25)
    world["watcher"].run(query, queried)
    world.faults("kill", "cut", "pause", "disk stall", on=["server"], until=10)
    world.always(lambda: all(value == value_at(int(at)) for at, value in queried), "the cache has what was sent")
    world.run(30)
    world["server"].run(read, found)
    world.run(1)
    assert queried
    for points in found.values():
        assert all(value == value_at(second) for second, value in points.items())
        # What a kill finds in the cache is lost. But behind the last fault nothing is.
        latest = max(points)
        assert set(range(latest - 8, latest)) <= set(points)
    assert len(found) == len(METRICS)
