"""This checkout and another one, side by side: what a change costs, as a ratio of neighbouring cells."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.plan import Load, Plan
from benchmarks.properties import spread
from benchmarks.results import Cell, Figure, Measurement, Results, per_s
from benchmarks.run import measure

HERE, THERE = "this", "the other"
KINDS = ("get", "post")
LEAST = 0.97
TURNS = 8
"""So often the two are compared before they are started anew."""


def _program(checkout: Path, program: str, port: int, vaults: Sequence[int], directory: Path) -> list[str]:
    """The same Python, the same packages, and of the grid that checkout's."""
    return ["env", f"PYTHONPATH={checkout}", *twistd("atomic")(program, port, vaults, directory)]


def contenders(here: Path, there: Path) -> dict[str, Contender]:
    return {
        name: Contender(
            name,
            f"grid, {name} checkout",
            GridDialect(),
            True,
            functools.partial(start_grid, functools.partial(_program, checkout)),
        )
        for name, checkout in ((HERE, here), (THERE, there))
    }


def plan(connections: Sequence[int], seconds: int, rounds: int) -> Plan:
    loads = (Load("healthy", kind, count, (HERE, THERE)) for kind in KINDS for count in connections)
    return Plan(tuple(loads), seconds, rounds)


@frozen
class Compared:
    """One kind of load. `ratio` is this / the other, of requests a second."""

    kind: str
    connections: int
    here_per_s: float
    there_per_s: float
    ratio: Figure

    def __str__(self) -> str:
        if self.ratio.void:
            return f"{self.kind.upper()} {self.connections}: {self.ratio.void}"
        return (
            f"{self.kind.upper()} {self.connections}: {self.here_per_s:.0f}/s here, {self.there_per_s:.0f}/s there,"
            f" {self.ratio.median:.3f} ({self.ratio.least:.3f} to {self.ratio.most:.3f})"
        )


def compared(
    planned: Plan, here: Path, there: Path, scratch: Path, show: Callable[[Measurement], None]
) -> list[Compared]:
    """:raises CannotMeasure: when a grid does not come up."""
    measurements: list[Measurement] = []

    def keep(one: Measurement) -> None:
        measurements.append(one)
        show(one)

    measure(planned, contenders(here, there), scratch, keep, TURNS)
    results = Results(measurements)
    found: list[Compared] = []
    for load in planned.loads:
        ours, theirs = (Cell(load.world, load.kind, load.connections, name) for name in (HERE, THERE))
        here_per_s, there_per_s = (results.figure(each, per_s).median for each in (ours, theirs))
        ratio = spread(results, ours, theirs, per_s)
        found.append(Compared(load.kind, load.connections, here_per_s, there_per_s, ratio))
    return found
