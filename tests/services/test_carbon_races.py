"""carbon-cache, whose writer thread and reactor share what they count and what they have not written yet.

`carbon.instrumentation` counts in a dictionary without a lock. The writer thread does ``stats[stat] += increase``; the
reactor does ``stats.copy()`` and ``stats.clear()``, and reports. What comes between is counted twice or not at all.
Where points were counted and their update was not yet, the report divides by zero, and its `LoopingCall` never reports
again.

Each test stands here twice, for threads that give way only where they wait pass it.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import whisper
from twisted.internet import endpoints, protocol, task

from glitchgrid.testing import World, simulated

COMMAND = os.path.join(sys.prefix, "bin", "carbon-cache.py")
CONFIGURATION = Path(__file__).with_name("carbon") / "races.conf"
FILES = Path("/srv/graphite/whisper")
COMMITTED = FILES / "carbon/agents/server-a/committedPoints.wsp"

METRICS = 1
SENDS_S = 25
RUN_S = 45
LATE_S = 5
LAST_REPORTS = 10
"""At one of them the books have to agree, for nothing was sent lately, and all that was counted is reported."""

Points = list[tuple[int, float]]


class Line(protocol.Protocol):
    transport: Any


async def send(reactor: Any) -> None:
    """A point a second of each metric, and then nothing more."""
    await task.deferLater(reactor, 1, lambda: None)
    line = await endpoints.clientFromString(reactor, "tcp:server:2003").connect(protocol.Factory.forProtocol(Line))
    for second in range(SENDS_S):
        lines = [f"m.{metric} {second} {int(time.time())}\n" for metric in range(METRICS)]
        line.transport.write("".join(lines).encode())
        await task.deferLater(reactor, 1, lambda: None)
    await task.deferLater(reactor, RUN_S, lambda: None)


def points(path: Path, now: int) -> Points:
    if not path.exists():
        return []
    (start, _, step), values = whisper.fetch(str(path), 0, now, now=now)
    return [(start + place * step, value) for place, value in enumerate(values) if value is not None]


def read(_reactor: Any, found: list[tuple[int, Points, Points]]) -> None:
    """The time, what carbon has reported, and what it has written."""
    now = int(time.time())
    written = [each for path in sorted(FILES.rglob("*.wsp")) for each in points(path, now)]
    found.append((now, points(COMMITTED, now), written))


def reports(world: World) -> tuple[int, Points, Points]:
    found: list[tuple[int, Points, Points]] = []
    world["server"].run_script(COMMAND, "--nodaemon", f"--config={CONFIGURATION}", "start")
    world["client"].run(send)
    world.run(RUN_S)
    world["server"].run(read, found)
    world.run(1)
    return found[0]


def errors(world: World) -> str:
    """The first thing that carbon has complained of."""
    return next((line.strip() for line in world["server"].output.splitlines() if "Error:" in line), "no error")


def goes_on_reporting(world: World) -> None:
    now, reported, _ = reports(world)
    latest = reported[-1][0] if reported else 0
    assert latest >= now - LATE_S, f"it reports no more: {errors(world)}"


def counts_what_it_has_written(world: World) -> None:
    _, reported, written = reports(world)
    differences = [
        sum(count for when, count in reported if when <= at) - sum(when < at for when, _ in written)
        for at, _ in reported[-LAST_REPORTS:]
    ]
    assert 0 in differences, f"at the last {LAST_REPORTS} reports it has counted so many too many: {differences}"


@simulated(seeds=60)
def test_goes_on_reporting(world: World) -> None:
    goes_on_reporting(world)


@simulated(seeds=60, preempt={"carbon.writer": 1000, "carbon.instrumentation": 1000})
def test_goes_on_reporting_whenever_threads_take_turns(world: World) -> None:
    goes_on_reporting(world)


@simulated(seeds=60)
def test_counts_what_it_has_written(world: World) -> None:
    counts_what_it_has_written(world)


@simulated(seeds=60, preempt={"carbon.instrumentation": 1000})
def test_counts_what_it_has_written_whenever_threads_take_turns(world: World) -> None:
    counts_what_it_has_written(world)


@simulated(seeds=60, preempt={"carbon.instrumentation": 1000})
def test_counts_what_it_has_written_by_pct(world: World) -> None:
    world.threads("pct", depth=2)
    counts_what_it_has_written(world)


def goes_on_writing(world: World) -> None:
    now, _, written = reports(world)
    latest = max((when for when, _ in written), default=0)
    assert latest >= now - LATE_S, f"it writes no more: {errors(world)}"


@simulated(seeds=60)
def test_goes_on_writing(world: World) -> None:
    goes_on_writing(world)


@simulated(seeds=60, preempt={"carbon.cache": 1000})
def test_goes_on_writing_whenever_threads_take_turns(world: World) -> None:
    goes_on_writing(world)
