"""Two grids side by side, such as this checkout's and another one's: a ratio of neighbouring cells."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.contenders import Contender, start_grid, twistd
from benchmarks.dialects import GridDialect
from benchmarks.plan import Load, Plan
from benchmarks.properties import spread
from benchmarks.results import Cell, Figure, Measurement, Results, per_s
from benchmarks.run import measure

HERE, THERE = "here", "there"
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
    """One kind of load. `ratio` is the first one's requests a second / the second one's."""

    kind: str
    connections: int
    names: tuple[str, str]
    per_s: tuple[float, float]
    ratio: Figure

    def __str__(self) -> str:
        if self.ratio.void:
            return f"{self.kind.upper()} {self.connections}: {self.ratio.void}"
        rates = ", ".join(f"{rate:.0f}/s {name}" for name, rate in zip(self.names, self.per_s, strict=True))
        return (
            f"{self.kind.upper()} {self.connections}: {rates},"
            f" {self.ratio.median:.3f} ({self.ratio.least:.3f} to {self.ratio.most:.3f})"
        )


def compared(
    planned: Plan, two: Mapping[str, Contender], scratch: Path, show: Callable[[Measurement], None]
) -> list[Compared]:
    """:param two: what is compared with what.

    :raises CannotMeasure: when a grid does not come up.
    """
    measurements: list[Measurement] = []

    def keep(one: Measurement) -> None:
        measurements.append(one)
        show(one)

    measure(planned, two, scratch, keep, TURNS)
    results = Results(measurements)
    first, second = two
    found: list[Compared] = []
    for load in planned.loads:
        above, below = (Cell(load.world, load.kind, load.connections, name) for name in (first, second))
        rates = (results.figure(above, per_s).median, results.figure(below, per_s).median)
        found.append(
            Compared(load.kind, load.connections, (first, second), rates, spread(results, above, below, per_s))
        )
    return found
