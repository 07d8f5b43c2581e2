"""One control as a table: the real coordinator, run once for each of its states and each event in that state.

A coordinator's next state depends on its state and the event alone, so what it did once need not be run again: the
exploration of the whole grid then works on numbers. Each state keeps one real `Coordinator`, pickled; a step
unpickles it, calls it, takes its effects and files what it has become under its key (see `tests.exploration.key`).
"""

import itertools
import pickle
from collections.abc import Callable
from typing import Any

from attrs import define

from glitchgrid.outcome import Committed, Decreases, Holds, Undecided
from glitchgrid.protocol.effects import Declined, Ended, SendRead, SendStore
from glitchgrid.protocol.rounds import StoreRound
from tests.exploration.key import Core, Order, key_of, live_rounds, renumber

Event = tuple[Any, ...]
"""A method of `Coordinator` and its arguments; `expire` takes the number of a round in the walk."""

Return = tuple[int, str, int]
"""An operation, how it ended, and the value that its answer names."""

Step = tuple[int, tuple[Return, ...]]

RETIRED = 0
"""The state of a control that has nothing more to say (see `tests.exploration.world`)."""


@define
class Point:
    """One state of a coordinator, and what the grid around it has to know of it."""

    frozen: bytes
    stores: tuple[int, ...]
    """For each vault the value of the store in flight, or 0."""
    reads: tuple[bool, ...]
    """For each vault whether a read is in flight."""
    events: tuple[Event, ...]
    """What may happen to it without a vault: a request given up on, a rest or a deadline over."""
    quiet: bool
    """Has it no undecided round?"""
    owed: tuple[int, ...]
    """For each vault the floor where it may still be sent by itself, or 0."""


class Machine:
    """The states of one kind of coordinator, numbered as they are met.

    :param core: makes the coordinator; a broken one to see what its bug leads to.
    """

    def __init__(self, core: Callable[[int], Core], vaults: int, recovers_at_start: bool) -> None:
        self.orders: list[Order] = list(itertools.permutations(range(vaults)))
        self.points: list[Point] = [Point(b"", (0,) * vaults, (False,) * vaults, (), quiet=True, owed=(0,) * vaults)]
        self._numbers: dict[Any, int] = {}
        self._steps: dict[tuple[int, Event], Step] = {}
        self._renumbered: dict[tuple[int, int], int] = {}
        fresh = core(vaults)
        if recovers_at_start:
            fresh.recover()
            fresh.take()
        self.start = self._file(fresh)

    def __len__(self) -> int:
        return len(self.points)

    def thaw(self, number: int) -> Core:
        core: Core = pickle.loads(self.points[number].frozen)
        return core

    def step(self, number: int, event: Event) -> Step:
        """What becomes of a coordinator in state `number`, and which operations return."""
        known = self._steps.get((number, event))
        if known is None:
            if event[0] == "begin":  # nothing that a control could see
                return number, ()
            core = self.thaw(number)
            returns = happen(core, event)
            known = self._steps[number, event] = self._file(core), returns
        return known

    def renumbered(self, number: int, order: int) -> int:
        """The same state with the vaults in another of the `orders`."""
        if order == 0 or number == RETIRED:
            return number
        known = self._renumbered.get((number, order))
        if known is None:
            core = self.thaw(number)
            renumber(core, self.orders[order])
            known = self._renumbered[number, order] = self._file(core)
        return known

    def _file(self, core: Core) -> int:
        key = key_of(core)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.points)
            self.points.append(point_of(core))
        return number


def happen(core: Core, event: Event) -> tuple[Return, ...]:
    """Call a coordinator and act on its effects."""
    method, *arguments = event
    if method == "expire":
        arguments = [live_rounds(core)[arguments[0]]]
    getattr(core, method)(*arguments)
    returns: list[Return] = []
    for effect in core.take():
        match effect:
            case Ended(round_):
                returns += [(ticket, *ending(round_.outcome)) for ticket in round_.tickets]
            case Declined(ticket, outcome):
                returns.append((ticket, *ending(outcome)))
            case SendStore(vault, value, _):
                assert core._vaults[vault].stores.busy
                assert core._vaults[vault].sent == value
            case SendRead(vault, _):
                assert core._vaults[vault].reads.busy
    return tuple(returns)


def ending(outcome: object) -> tuple[str, int]:
    match outcome:
        case Committed():
            return "committed", 0
        case Undecided():
            return "undecided", 0
        case Decreases(floor, _):
            return "declined", floor
        case Holds(value):
            return "holds", value
    return "inconsistent", 0


def point_of(core: Core) -> Point:
    events: list[Event] = []
    for vault in core._vaults:
        for kind, line in (("store", vault.stores), ("read", vault.reads)):
            if line.busy:
                events.append((f"{kind}_failed", vault.number))
            if line.resting:
                events.append(("rested", vault.number, kind))
    live = live_rounds(core)
    for number, round_ in enumerate(live):
        # A round that heals has the deadline of its read.
        if not (isinstance(round_, StoreRound) and round_.heals is not None):
            events.append(("expire", number))
    floor = core.floor or 0
    return Point(
        frozen=pickle.dumps(core, pickle.HIGHEST_PROTOCOL),
        stores=tuple(vault.sent if vault.stores.busy else 0 for vault in core._vaults),
        reads=tuple(vault.reads.busy for vault in core._vaults),
        events=tuple(events),
        quiet=not live,
        owed=tuple(floor if _may_resend(vault, floor) else 0 for vault in core._vaults),
    )


def _may_resend(vault: Any, floor: int) -> bool:
    """Can this vault still be sent the floor when no round is left?"""
    may_fall_behind = vault.behind or vault.stores.skipped or vault.stores.pending
    return vault.held < floor and bool(may_fall_behind or vault.stores.busy or vault.reads.busy)
