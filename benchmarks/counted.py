"""What metrics cost: one grid whose servers count and don't, by turns of a quarter of a second, under one load.

Two grids side by side differ by more than metrics cost: by where their memory lies, and by what else the machine does
meanwhile. One grid that is switched between neighbouring moments has both in common. All servers are switched by the
same clock, and which of two moments is the one with metrics is drawn.

Run as a program it is twistd, with servers that are switched: ``python -m benchmarks.counted ARGUMENTS...``
"""

import functools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from attrs import frozen

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.errors import CannotMeasure
from benchmarks.properties import CONFIDENCE, RESAMPLES
from benchmarks.wrk import run_wrk

KINDS = ("get", "post")
LEAST = 0.98
SLICE_S = 0.25
FIRST = 1
"""What the grid holds once it has come up."""

PAIRS_MIN = 20

NOTED = "GLITCHGRID_BENCH_SLICES"
"""Names the file that a control notes its slices in."""


@frozen
class Slice:
    """What a control answered in one slice of time, less its first and last moments.

    :ivar number: of the slice, by the machine's clock.
    """

    number: int
    counted: bool
    seconds: float
    requests: int
    processor_s: float


@frozen
class Ratio:
    """With metrics / without: the median of all pairs, and where that would lie 95 times in 100 (bootstrap)."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.least:.3f} to {self.most:.3f})"


@frozen
class Cost:
    """Of one kind of load.

    :ivar throughput: requests a second.
    :ivar processor: control's processor time for a request.
    """

    kind: str
    connections: int
    per_s: float
    pairs: int
    throughput: Ratio
    processor: Ratio

    def __str__(self) -> str:
        return (
            f"{self.kind.upper()} {self.connections}: {self.per_s:.0f}/s, with metrics / without: requests a second"
            f" {self.throughput}, processor time for a request {self.processor}; {self.pairs} pairs"
        )


def measured(kind: str, connections: int, seconds: int, scratch: Path) -> Cost:
    """:raises CannotMeasure: when the grid does not come up, answers wrongly, or was measured for too short a time."""
    noted = scratch / f"slices-{kind}-{connections}"
    os.environ[NOTED] = str(noted)
    contender = Contender("switched", "grid", GridDialect(), True, functools.partial(start_grid, _program))
    running = contender.start(scratch / f"{kind}-{connections}", "healthy")
    try:
        load = run_wrk(running.port, "grid", kind, connections, seconds, FIRST, FIRST)
    finally:
        running.close()
    if load.failed or load.broken or load.wrong:
        raise CannotMeasure(f"{load.failed} failed, {load.broken} broken, {load.wrong} wrong answers")
    slices = [Slice(**json.loads(line)) for line in noted.read_text(encoding="utf-8").splitlines()]
    return cost(kind, connections, slices)


def cost(kind: str, connections: int, slices: Sequence[Slice]) -> Cost:
    """:raises CannotMeasure: where there are too few pairs of neighbours."""
    found = {each.number: each for each in slices if each.requests}
    pairs = []
    for number, first in found.items():
        second = found.get(number + 1)
        if number % 2 == 0 and second is not None:
            pairs.append((first, second) if first.counted else (second, first))
    pairs = pairs[1:]  # the load begins within the first
    if len(pairs) < PAIRS_MIN:
        raise CannotMeasure(f"{len(pairs)} pairs of moments are too few: measure for longer")

    def ratio(quantity: Callable[[Slice], float]) -> Ratio:
        return _ratio([quantity(with_) / quantity(without) for with_, without in pairs])

    return Cost(
        kind,
        connections,
        statistics.median(each.requests / each.seconds for pair in pairs for each in pair),
        len(pairs),
        ratio(lambda each: each.requests / each.seconds),
        ratio(lambda each: each.processor_s / each.requests),
    )


def _ratio(ratios: Sequence[float]) -> Ratio:
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return Ratio(statistics.median(ratios), medians[tail], medians[-1 - tail])


def _program(program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
    command = twistd("atomic")(program, port, vaults, directory)
    return [sys.executable, "-m", "benchmarks.counted", *command[1:]]


def is_counted(number: int) -> bool:
    """Whether servers count in a slice: in one of each pair of neighbours, drawn."""
    first_of_pair = random.Random(number // 2).choice((True, False))
    return first_of_pair if number % 2 == 0 else not first_of_pair


class Switch:
    """Methods that do what they do, or nothing.

    Their code is changed, not the attribute that has them: who has bound one already is switched, too.
    """

    def __init__(self, methods: Sequence[FunctionType], instead: Callable[..., None]) -> None:
        self._codes: list[tuple[FunctionType, CodeType, CodeType]] = []
        for method in methods:
            self._codes.append((method, method.__code__, instead.__code__))

    def turn(self, counted: bool) -> None:
        for method, real, none in self._codes:
            method.__code__ = real if counted else none


def _nothing(_self: Any, *_arguments: Any, **_named: Any) -> None:
    pass


def _only_how_many(self: Any, _request: Any) -> None:
    self.uncounted += 1


class Switching:
    """Switches one server, and notes what was answered in each slice if it is asked to."""

    def __init__(self, noted: Path | None) -> None:
        from glitchgrid.http.counting import FaceCounts  # noqa: PLC0415 - only the servers' processes have a use for it
        from glitchgrid.observer import Observer  # noqa: PLC0415
        from glitchgrid.register.metrics import RegisterMetrics  # noqa: PLC0415
        from glitchgrid.storage.metrics import StoreMetrics  # noqa: PLC0415

        self._faces: list[Any] = []
        self._noted = noted
        told = [name for name in vars(Observer) if not name.startswith("_")]
        observers = (vars(RegisterMetrics), vars(StoreMetrics))
        observing = [observer[name] for observer in observers for name in told if name in observer]
        self._switches = (
            Switch([*observing, vars(FaceCounts)["refused"]], _nothing),
            Switch([vars(FaceCounts)["answered"]], _only_how_many),
        )
        initialise = FaceCounts.__init__

        def keep(counts: Any, *arguments: Any) -> None:
            initialise(counts, *arguments)
            counts.uncounted = 0
            self._faces.append(counts)

        setattr(FaceCounts, "__init__", keep)  # noqa: B010 - for the type checker it is none

    def _requests(self) -> int:
        return sum(each.uncounted + sum(tally.count for tally in each._tallies.values()) for each in self._faces)  # noqa: SLF001

    def start(self, reactor: Any) -> None:
        self._reactor = reactor
        self._next(None)

    def _next(self, before: tuple[int, float, int, float] | None) -> None:
        if before is not None and self._noted is not None:
            number, began_s, requests, processor_s = before
            done = {
                "number": number,
                "counted": is_counted(number),
                "seconds": time.monotonic() - began_s,
                "requests": self._requests() - requests,
                "processor_s": time.process_time() - processor_s,
            }
            with self._noted.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done) + "\n")
        number = int(time.time() // SLICE_S)
        for switch in self._switches:
            switch.turn(is_counted(number))
        now = (number, time.monotonic(), self._requests(), time.process_time())
        self._reactor.callLater((number + 1) * SLICE_S - time.time(), self._next, now)


def main() -> None:
    noted = os.environ.get(NOTED)
    switching = Switching(Path(noted) if noted and "control" in sys.argv else None)
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - twistd's
    from twisted.scripts.twistd import run  # noqa: PLC0415

    reactor.callWhenRunning(switching.start, reactor)
    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
