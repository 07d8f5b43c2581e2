"""What was measured, cell by cell and round by round; medians, ratios, and what is void.

A ratio is taken between two cells of one round, and then the median of the rounds: this machine may be twice as
slow a minute later. A cell is void, in all its rounds, when more than 1% of its answers were 400s or any answer was
wrong; so is a ratio with it. A ratio to the threaded grid is void too where that is slower than a threaded grid can
be: it would flatter.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, field, frozen

REFUSED_SHARE_MAX = 0.01
NOT_MEASURED = "not measured"

BASELINE = "threaded"
BASELINE_SHARE_MIN = 0.75
ORIGINAL_PER_S = {
    ("get", 1): 276.0,
    ("get", 64): 333.0,
    ("get", 256): 313.0,
    ("post", 1): 336.0,
    ("post", 64): 277.0,
    ("post", 256): 293.0,
}
"""Requests a second of the original Python grid (threads, in memory), as measured when the targets were set."""


@frozen(order=True)
class Cell:
    """What is measured: one load on one contender in one world."""

    world: str
    kind: str
    connections: int
    contender: str

    def by(self, contender: str) -> "Cell":
        """The same load in the same world on another contender."""
        return evolve(self, contender=contender)

    def within(self, world: str) -> "Cell":
        return evolve(self, world=world)

    def __str__(self) -> str:
        return f"{self.contender}, {self.kind.upper()}, {self.connections}, {self.world}"


@frozen
class Measurement:
    """One cell in one round.

    `ok` are right answers with status 200, `refused` 400s, `errors` all that is neither: other statuses, broken
    connections, time-outs. `busy` is in cores, and has wrk among the processes. `trouble` is set where there was no
    measurement, and says why.
    """

    cell: Cell
    round: int
    seconds: float = 0.0
    ok: int = 0
    refused: int = 0
    errors: int = 0
    wrong: int = 0
    first_wrong: str = ""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    resident_mb: dict[str, float] = field(factory=dict)
    busy: dict[str, float] = field(factory=dict)
    trouble: str = ""

    @property
    def per_s(self) -> float:
        return self.ok / self.seconds if self.seconds else 0.0

    @property
    def void(self) -> str:
        """Why it does not count; empty where it does."""
        answers = self.ok + self.wrong + self.refused + self.errors
        if self.trouble:
            return self.trouble
        if self.wrong:
            return f"{self.wrong} wrong answers ({self.first_wrong})"
        return f"{self.refused / answers:.1%} were 400s" if self.refused > REFUSED_SHARE_MAX * answers else ""


@frozen
class Figure:
    """The median over the rounds, and the least and the most of them. Nothing of it counts where `void` says why."""

    median: float = 0.0
    least: float = 0.0
    most: float = 0.0
    void: str = ""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        if not values:
            return cls(void=NOT_MEASURED)
        return cls(statistics.median(values), min(values), max(values))


Quantity = Callable[[Measurement], float]


def per_s(measurement: Measurement) -> float:
    return measurement.per_s


def p50_ms(measurement: Measurement) -> float:
    """Infinite where nothing was answered rightly: wrk then says 0, or how fast the errors came."""
    return measurement.p50_ms if measurement.ok else math.inf


def p99_ms(measurement: Measurement) -> float:
    """As `p50_ms`."""
    return measurement.p99_ms if measurement.ok else math.inf


class Results:
    """All measurements of a run."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._rounds: dict[Cell, dict[int, Measurement]] = {}
        for measurement in measurements:
            self._rounds.setdefault(measurement.cell, {})[measurement.round] = measurement

    @property
    def cells(self) -> list[Cell]:
        """In the order in which they were first measured."""
        return list(self._rounds)

    @property
    def all(self) -> list[Measurement]:
        return [one for rounds in self._rounds.values() for one in rounds.values()]

    def rounds(self, cell: Cell) -> list[Measurement]:
        return list(self._rounds.get(cell, {}).values())

    def void(self, cell: Cell) -> str:
        """Why a cell does not count: the first reason of any round."""
        if cell not in self._rounds:
            return NOT_MEASURED
        return next((f"{cell}: {one.void}" for one in self.rounds(cell) if one.void), "")

    def figure(self, cell: Cell, quantity: Quantity) -> Figure:
        void = self.void(cell)
        return Figure(void=void) if void else Figure.of([quantity(one) for one in self.rounds(cell)])

    def ratio(self, above: Cell, below: Cell, quantity: Quantity) -> Figure:
        """`above` / `below`, each round for itself."""
        void = self.void(above) or self.void(below) or self.too_slow(below)
        if void:
            return Figure(void=void)
        others = self._rounds[below]
        pairs = [(one, others[number]) for number, one in self._rounds[above].items() if number in others]
        return Figure.of([quantity(one) / quantity(other) for one, other in pairs if 0 < quantity(other) < math.inf])

    def too_slow(self, cell: Cell) -> str:
        """Why a ratio to this cell would flatter: it is the threaded grid's, and too slow for one."""
        original = ORIGINAL_PER_S.get((cell.kind, cell.connections))
        if cell.contender != BASELINE or cell.world != "healthy" or original is None:
            return ""
        reached = self.figure(cell, per_s)
        if reached.void or reached.median >= BASELINE_SHARE_MIN * original:
            return ""
        return f"{cell}: {reached.median:.0f}/s is below {BASELINE_SHARE_MIN:g} of the original's {original:.0f}/s"
