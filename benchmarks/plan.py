"""Which cells a run has, in which order, and how long that takes."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from attrs import frozen

from benchmarks.contenders import WORLDS
from benchmarks.results import BASELINE, Cell
from benchmarks.targets import LADDER

KINDS = ("get", "post", "mixed")
CONNECTIONS = (1, 16, 64, 256)
MIXED_CONNECTIONS = (64,)

START_EACH_S = 1.5
"""A contender in a world, on two cores."""

BETWEEN_CELLS_S = 0.8
SILENT_S = 5.0
"""What a silent vault adds between cells for those that wait for every vault."""

WAITS_FOR_ALL = ("classic", "threaded")


@frozen
class Load:
    """One line of the table: a world, a kind, a number of connections, and who takes part."""

    world: str
    kind: str
    connections: int
    contenders: tuple[str, ...]

    def cells(self, round_number: int) -> list[Cell]:
        """One a contender: the first of them comes last, and of the others another one begins each round."""
        subject, *others = self.contenders
        first = round_number % len(others) if others else 0
        order = (*others[first:], *others[:first], subject)
        return [Cell(self.world, self.kind, self.connections, contender) for contender in order]


@frozen
class Plan:
    """:param ladder: whose throughput is followed up to 1,024 connections; nobody's where empty."""

    loads: tuple[Load, ...]
    seconds: int
    rounds: int

    def cells(self, round_number: int) -> Iterator[Cell]:
        """What is compared is measured one after the other, for a shared machine is another one a minute later.

        In the middle is the first contender in all its worlds, before it the others where all is healthy, and behind
        it they are in the other worlds. Every second round goes backwards.
        """
        for _, group in groupby(self.loads, lambda load: (load.kind, load.connections)):
            first, *others = [load.cells(round_number) for load in group]
            before = first[:-1] + [cells[-1] for cells in [first, *others]]
            order = before + [cell for cells in others for cell in cells[:-1]]
            yield from order if round_number % 2 == 0 else reversed(order)

    @property
    def count(self) -> int:
        return self.rounds * sum(len(load.contenders) for load in self.loads)

    @property
    def worlds(self) -> dict[str, list[str]]:
        """Which contenders are started in which worlds."""
        started: dict[str, list[str]] = {}
        for load in self.loads:
            known = started.setdefault(load.world, [])
            known += [name for name in load.contenders if name not in known]
        return started

    @property
    def estimated_s(self) -> float:
        start_s = START_EACH_S * sum(len(names) for names in self.worlds.values())
        slow = sum(name in WAITS_FOR_ALL for load in self.loads if load.world == "silent" for name in load.contenders)
        return self.rounds * (start_s + slow * SILENT_S) + self.count * (self.seconds + BETWEEN_CELLS_S)


def full_plan(
    contenders: Sequence[str],
    worlds: Sequence[str],
    kinds: Sequence[str],
    connections: Sequence[int],
    ladder: str,
    seconds: int,
    rounds: int,
) -> Plan:
    """Every kind at every number of connections in every world, and the ladder of one contender.

    The worlds of one load follow each other, as `Plan.cells` needs them.
    """
    loads = []
    for kind in kinds:
        counts = sorted({*connections, *(LADDER if ladder and kind != "mixed" else ())})
        if kind == "mixed":
            counts = [count for count in MIXED_CONNECTIONS if count in connections] or [max(connections)]
        for count in counts:
            if count not in connections:
                loads.append(Load("healthy", kind, count, (ladder,)))
                continue
            loads += [Load(world, kind, count, tuple(contenders)) for world in WORLDS if world in worlds]
    return Plan(tuple(loads), seconds, rounds)


def quick_plan(contenders: Sequence[str], seconds: int, rounds: int) -> Plan:
    """What can be told in two minutes.

    With a silent vault the threaded grid takes seconds to come to rest, and no target is about it.
    """
    everyone = tuple(contenders)
    sturdy = tuple(name for name in contenders if name != BASELINE) or everyone
    loads = []
    for kind in ("get", "post"):
        loads += [Load("healthy", kind, 1, everyone), Load("healthy", kind, 64, everyone)]
        loads += [Load("silent", kind, 64, sturdy), Load("healthy", kind, 256, everyone)]
    return Plan(tuple(loads), seconds, rounds)
