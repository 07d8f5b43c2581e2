"""carbon-cache 1.1.10, unmodified: its writer thread counts what it has written while its reactor reports the counts.

`carbon.instrumentation` has a dictionary for that, and no lock. The writer thread does ``stats[stat] += increase``; the
reactor does ``stats.copy()``, ``stats.clear()``. What comes between is counted twice or not at all. Where points were
counted and their update was not yet, the report divides by zero, and its `LoopingCall` never reports again.

    pip install carbon==1.1.10 whisper==1.1.10
    pytest benchmarks/services/test_carbon_race.py

Of 60 seeds, so many fail; with a lock around both, and a report that does not divide by zero, none of them does:

    points in                              it has miscounted    it reports no more
    nothing                                0                    0
    carbon, 100 of 1000 times              2                    -
    carbon.instrumentation, each time      15                   2

Its files are real ones, in a directory of each seed's own.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.testing import World, simulated

whisper = pytest.importorskip("whisper", reason="carbon's data base is not installed")
pytest.importorskip("carbon", reason="carbon is not installed")

RUN_S = 45
SENDS_S = 25
REPORT_S = 1
LAST_REPORTS = 10
"""At one of them the books have to agree, when all that came before the report was written before it."""

METRICS = 20
SEEDS = 60
SHARED = ("whisper",)
"""When it is imported it runs ldconfig, which no process of a world can do."""

KNOWN = pytest.mark.xfail(strict=True, reason="a race of carbon 1.1.10")

CARBON = """\
[cache]
STORAGE_DIR = {root}/storage
ENABLE_TAGS = False
LOG_CREATES = False
LOG_UPDATES = False
LOG_CACHE_QUEUE_SORTS = False
CARBON_METRIC_INTERVAL = {report_s}
"""
SCHEMAS = "[all]\npattern = .*\nretentions = 1s:1h\n"


def send(reactor: Any, seconds: list[int]) -> None:
    """A client: a point a second of each metric, and then nothing more. It notes what time it is."""
    import time  # noqa: PLC0415 - in the process, with its modules

    from twisted.internet import endpoints, protocol, task  # noqa: PLC0415

    class Line(protocol.Protocol):
        transport: Any

        def connectionMade(self) -> None:
            task.LoopingCall(self.tick).start(1)

        def tick(self) -> None:
            seconds.append(int(time.time()))
            if len(seconds) <= SENDS_S:
                lines = [b"m.%d %d %d\n" % (metric, len(seconds), seconds[-1]) for metric in range(METRICS)]
                self.transport.write(b"".join(lines))

    server = endpoints.clientFromString(reactor, "tcp:server:2003")
    reactor.callLater(1, server.connect, protocol.Factory.forProtocol(Line))


def reports(world: World) -> tuple[Path, list[tuple[int, float]], int]:
    """Let carbon run. Returns where its files are, when it has reported how many points, and the time at the end."""
    root = Path(tempfile.gettempdir(), f"glitchgrid-carbon-{os.getuid()}-{world.seed}")
    shutil.rmtree(root, ignore_errors=True)
    (root / "conf").mkdir(parents=True)
    (root / "conf/carbon.conf").write_text(CARBON.format(root=root, report_s=REPORT_S), encoding="utf-8")
    (root / "conf/storage-schemas.conf").write_text(SCHEMAS, encoding="utf-8")
    os.environ["GRAPHITE_ROOT"] = str(root)  # of this seed's process alone
    seconds: list[int] = []
    world["server"].run("-n", "--pidfile=", "carbon-cache", f"--config={root}/conf/carbon.conf")
    world["client"].run(send, seconds)
    world.run(RUN_S)
    storage, now = root / "storage/whisper", seconds[-1]
    return storage, points(storage / "carbon/agents/server-a/committedPoints.wsp", now), now


def points(path: Path, now: int) -> list[tuple[int, float]]:
    (start, _, step), values = whisper.fetch(str(path), 0, now, now=now)
    return [(start + place * step, value) for place, value in enumerate(values) if value is not None]


def counts_what_it_has_written(world: World) -> None:
    storage, reported, now = reports(world)
    written = [at for path in storage.rglob("*.wsp") for at, _ in points(path, now)]
    differences = {
        at: sum(count for when, count in reported if when <= at) - sum(when < at for when in written)
        for at, _ in reported[-LAST_REPORTS:]
    }
    assert 0 in differences.values(), differences
    shutil.rmtree(storage.parent.parent)


def goes_on_reporting(world: World) -> None:
    storage, reported, now = reports(world)
    assert reported[-1][0] >= now - 5 * REPORT_S
    shutil.rmtree(storage.parent.parent)


@simulated(seeds=SEEDS, share=SHARED)
def test_carbon_counts_what_it_has_written(world: World) -> None:
    counts_what_it_has_written(world)


@KNOWN
@simulated(seeds=SEEDS, share=SHARED, preempt={"carbon": 100})
def test_carbon_counts_what_it_has_written_whenever_its_threads_take_turns(world: World) -> None:
    counts_what_it_has_written(world)


@KNOWN
@simulated(seeds=SEEDS, share=SHARED, preempt={"carbon.instrumentation": 1000})
def test_carbon_counts_what_it_has_written_whenever_its_threads_take_turns_there(world: World) -> None:
    counts_what_it_has_written(world)


@simulated(seeds=SEEDS, share=SHARED)
def test_carbon_goes_on_reporting(world: World) -> None:
    goes_on_reporting(world)


@KNOWN
@simulated(seeds=SEEDS, share=SHARED, preempt={"carbon.instrumentation": 1000})
def test_carbon_goes_on_reporting_whenever_its_threads_take_turns(world: World) -> None:
    goes_on_reporting(world)
