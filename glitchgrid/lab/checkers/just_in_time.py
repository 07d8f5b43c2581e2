"""The search: is there an order of the operations that explains what they returned?

Just-in-time linearization (Lowe, "Testing for linearizability", 2017): the history is read event by event, and an
operation is put in the order at the last moment, when it returns, or earlier only where another one that returns needs
it. What is known at a moment is a set of *configurations*: a state of the object, and which of the operations that are
in progress have taken effect. A history is linearizable as long as one configuration is left.

What keeps the set small, and leaves no order out:

- An observer (a read) takes effect as soon as the state is one that it can have returned. It changes nothing, so it is
  never worse to have done with it.
- Of two configurations that differ in the ambiguous operations alone, the one that has used fewer is as good as the
  other: what the other has used, it may still use. The other is dropped.
- Of ambiguous operations that do the same it does not matter which has taken effect: one that may be used the shortest
  goes first.
- A blind operation (a write) always can happen, and what it leaves does not depend on what was there. So wherever one
  takes effect, all others in progress may have done so just before, and nobody would know: they are *discharged*. Each
  may still be used for the value that it leaves, and need not be.
- Operations, states and configurations are small numbers, and what an operation does in a state is asked of the model
  once.

Where the set grows beyond `WIDTH_MAX` all the same, it is cut in two, and one half is searched to the end before the
other, the one in which less has taken effect first: memory stays bounded, and most halves of a history that is
linearizable need not be searched at all.
"""

import enum
import heapq
import math
import time
from bisect import insort
from collections.abc import Container, Hashable, Iterator, Sequence
from copy import copy
from itertools import count

from attrs import frozen

from glitchgrid.lab.checkers.answer import Branch, Found, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.memory import resident_bytes
from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State, Step
from glitchgrid.lab.checkers.taking_part import taking_part, until_ns
from glitchgrid.lab.history.operation import Operation, Outcome

WIDTH_MAX = 4096
"""Configurations that are looked at side by side."""

CONFIGURATION_BYTES = 400
"""What a configuration takes, about: measured on CPython 3.11, with its place in a table and its link. The links behind
it, and what the system says of the process, come on top."""

LOOKS = 512
"""So many configurations go on between two looks at the clock."""

DIES = -1
"""The number of no state: an operation cannot have come to what it did."""

Link = tuple[int, int, int, int, "Link | None"]
"""How a configuration was reached: the event; what took effect, by its bit among those in progress or by its bit among
those that can be used once; the bits of the observers behind it; and the link before."""

Place = tuple[int, int]
"""A state's number, and a bit for each operation in progress that has taken effect, or may be taken to have, and will
return."""

Table = dict[Place, list[tuple[int, Link | None]]]
"""Configurations: for each place the sets of what was used, ambiguous and blind operations, none within another."""


Way = tuple[Place, int, Link | None]
"""A configuration: its place, what was used, and how it was reached."""


BRANCHES_MAX = 16
"""So many branches are told, of those that end where nothing goes on."""


def search_just_in_time(
    operations: Sequence[Operation], model: Model, limits: Limits, optional: Container[int] = ()
) -> Found | Stuck | GaveUp:
    """Look for an order, by any model.

    :param optional: operations, by their numbers, that may be left out: in the order or not, but in their time.
    :raises ModelMismatch: where the model has no such function, or not with such an argument.
    """
    return _Search(operations, model, limits, optional).run()


class _Sort(enum.Enum):
    """What an operation is to the search."""

    OBSERVER = enum.auto()
    MUTATOR = enum.auto()
    BLIND = enum.auto()
    AMBIGUOUS = enum.auto()


@frozen
class _Event:
    """The call or the return of an operation.

    :ivar kind: the operation's number among those that do the same.
    :ivar bit: its bit among those in progress; 0 for an ambiguous one.
    :ivar use: its bit among those that can be used once; 0 for others than ambiguous and blind ones.
    :ivar until_ns: when it has taken effect at the latest, if it has.
    """

    is_return: bool
    operation: Operation
    sort: _Sort
    kind: int
    bit: int
    use: int
    until_ns: float


class _Bits:
    """Bits to tell operations apart by, the lowest that is free at that moment for each."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._new = count()

    def take(self) -> int:
        return 1 << (heapq.heappop(self._free) if self._free else next(self._new))

    def give_back(self, bit: int) -> None:
        """Free a bit again; 0 is none."""
        if bit:
            heapq.heappush(self._free, bit.bit_length() - 1)


class _Pending:
    """The operations in progress, at one moment of the history."""

    def __init__(self) -> None:
        self.mutators: dict[int, int] = {}  # by bit: its kind
        self.blind: dict[int, tuple[int, int]] = {}  # by bit: its kind, and its bit among what can be used once
        self.blind_bits = 0
        self.observers: dict[int, int] = {}  # by bit: its kind
        self.ambiguous: dict[int, list[tuple[float, int]]] = {}  # by kind: until when, and the bit
        self.seen: dict[int, int] = {}  # by state: the bits of the observers that it satisfies

    def __copy__(self) -> "_Pending":
        other = _Pending()
        other.mutators = dict(self.mutators)
        other.blind = dict(self.blind)
        other.blind_bits = self.blind_bits
        other.observers = dict(self.observers)
        other.ambiguous = {kind: list(bits) for kind, bits in self.ambiguous.items()}
        return other

    def add(self, event: _Event) -> None:
        match event.sort:
            case _Sort.AMBIGUOUS:
                insort(self.ambiguous.setdefault(event.kind, []), (event.until_ns, event.use))
            case _Sort.MUTATOR:
                self.mutators[event.bit] = event.kind
            case _Sort.BLIND:
                self.blind[event.bit] = event.kind, event.use
                self.blind_bits |= event.bit
            case _Sort.OBSERVER:
                self.observers[event.bit] = event.kind
                self.seen.clear()

    def remove(self, event: _Event) -> None:
        match event.sort:
            case _Sort.AMBIGUOUS:
                self.ambiguous[event.kind].remove((event.until_ns, event.use))
            case _Sort.MUTATOR:
                del self.mutators[event.bit]
            case _Sort.BLIND:
                del self.blind[event.bit]
                self.blind_bits ^= event.bit
            case _Sort.OBSERVER:
                del self.observers[event.bit]
                self.seen.clear()


class _GaveUp(Exception):
    """A limit was reached."""


class _Search:
    def __init__(self, operations: Sequence[Operation], model: Model, limits: Limits, optional: Container[int]) -> None:
        self._model = model
        self._optional = optional
        self._limits = limits
        self._numbers: dict[State, int] = {model.initial: 0}
        self._states: list[State] = [model.initial]
        self._kind_numbers: dict[tuple[Hashable, ...], int] = {}
        self._kinds: list[tuple[Step, Operation]] = []
        self._is_blind: list[bool] = []
        self._after: list[dict[int, int]] = []
        self._events = self._events_of(operations)
        self._waiting = 1  # configurations of pieces that are to be searched later
        self._until_look = LOOKS
        self._resident_bytes = resident_bytes()
        self._reached = 0
        self._furthest: tuple[int, Table] = (-1, {})

    def run(self) -> Found | Stuck | GaveUp:
        to_do: list[tuple[int, Table, _Pending]] = [(0, {(0, 0): [(0, None)]}, _Pending())]
        try:
            while to_do:
                place, table, pending = to_do.pop()
                self._waiting -= len(table)
                while table and place < len(self._events):
                    self._reached = max(self._reached, place)
                    self._look(len(table))
                    before = table
                    event = self._events[place]
                    table = (
                        self._returned(place, event, table, pending)
                        if event.is_return
                        else self._called(place, event, table, pending)
                    )
                    if not table and place > self._furthest[0]:
                        self._furthest = (place, before)
                    place += 1
                    if len(table) > WIDTH_MAX:
                        table, others = _halves(table)
                        to_do.append((place, others, copy(pending)))
                        self._waiting += len(others)
                if table:
                    return Found(self._order(table))
        except _GaveUp as gave_up:
            return GaveUp(str(gave_up), sum(each.is_return for each in self._events[: self._reached]))
        place, table = self._furthest
        return Stuck(self._events[place].operation, tuple(self._branches(table)))

    def _events_of(self, operations: Sequence[Operation]) -> list[_Event]:
        """Calls and returns in their order; at one moment calls come first, so that what touches overlaps."""
        kept = taking_part(operations, self._model)
        kinds = [self._kind(each) for each in kept]
        moments = [(each.call_ns, False, index) for index, each in enumerate(kept)]
        moments += [
            (each.return_ns, True, index)
            for index, each in enumerate(kept)
            if each.return_ns is not None and until_ns(each, self._optional) < math.inf
        ]
        moments.sort()
        in_progress, once = _Bits(), _Bits()
        bits: dict[int, tuple[int, int]] = {}
        events = []
        for _, is_return, index in moments:
            sort = self._sort(kept[index])
            if not is_return:
                bits[index] = (
                    0 if sort is _Sort.AMBIGUOUS else in_progress.take(),
                    once.take() if sort in (_Sort.AMBIGUOUS, _Sort.BLIND) else 0,
                )
            bit, use = bits[index]
            events.append(
                _Event(is_return, kept[index], sort, kinds[index], bit, use, until_ns(kept[index], self._optional))
            )
            if is_return:
                in_progress.give_back(bit)
                once.give_back(use)
                del bits[index]
        return events

    def _sort(self, operation: Operation) -> _Sort:
        if operation.outcome is Outcome.AMBIGUOUS:
            return _Sort.AMBIGUOUS
        if self._model.observes(operation.function):
            return _Sort.OBSERVER
        is_blind = self._model.is_blind(operation.function) and operation.outcome is Outcome.OK
        return _Sort.BLIND if is_blind else _Sort.MUTATOR

    def _kind(self, operation: Operation) -> int:
        client = operation.client if self._model.knows_clients else None
        key = (operation.function, operation.argument, operation.result, operation.outcome, client)
        number = self._kind_numbers.get(key)
        if number is None:
            number = self._kind_numbers[key] = len(self._kinds)
            self._kinds.append((self._model.step(operation.function), operation))
            self._is_blind.append(self._model.is_blind(operation.function))
            self._after.append({})
        return number

    def _next(self, kind: int, state: int) -> int:
        """The number of the state after an operation, or `DIES`."""
        after = self._after[kind].get(state)
        if after is None:
            step, operation = self._kinds[kind]
            found = step(self._states[state], operation)
            if found is IMPOSSIBLE:
                after = DIES
            elif found in self._numbers:
                after = self._numbers[found]
            else:
                after = self._numbers[found] = len(self._states)
                self._states.append(found)
            self._after[kind][state] = after
        return after

    def _called(self, place: int, event: _Event, table: Table, pending: _Pending) -> Table:
        pending.add(event)
        if event.sort is not _Sort.OBSERVER:
            return table
        bit, kind = event.bit, event.kind
        after: Table = {}
        for (state, live), ways in table.items():
            if self._next(kind, state) == state:
                after[state, live | bit] = [(used, (place, 0, 0, bit, link)) for used, link in ways]
            else:
                after[state, live] = ways
        return after

    def _returned(self, place: int, event: _Event, table: Table, pending: _Pending) -> Table:
        """The configurations in which the operation that returns has taken effect, which then is over.

        One that need not take effect, because it may be left out or is discharged, may do so now for the last time.
        """
        bit, use = event.bit, event.use
        done: Table = {}
        todo: list[Way] = []
        for at, ways in table.items():
            state, live = at
            is_over = not bit or live & bit
            for used, link in ways:
                if is_over:
                    _insert(done, (state, live & ~bit), used & ~use, link)
                if not used & use if use else not is_over:
                    todo.append((at, used, link))
        if todo:
            self._advance(place, event, todo, done, pending)
        pending.remove(event)
        return done

    def _advance(self, place: int, event: _Event, todo: list[Way], done: Table, pending: _Pending) -> None:
        """Let operations in progress take effect, one more in each step, until the one that returns has."""
        bit, use = event.bit, event.use
        been: Table = {}
        for at, used, link in todo:
            _insert(been, at, used, link)
        while todo:
            further: list[Way] = []
            for (state, live), used, link in todo:
                self._look(len(been) + len(done))
                for now, taken, gained, spent in self._steps(state, live, used, pending):
                    lives, uses = live | gained, used | spent
                    observed = self._observed(now, pending) & ~lives
                    lives |= observed
                    way: Link = (place, taken, spent, observed, link)
                    has_taken_effect = uses & use if use else lives & bit
                    if has_taken_effect or lives & bit:
                        _insert(done, (now, lives & ~bit), uses & ~use, way)
                    if not has_taken_effect and _insert(been, (now, lives), uses, way):
                        further.append(((now, lives), uses, way))
            todo = further

    def _steps(self, state: int, live: int, used: int, pending: _Pending) -> Iterator[tuple[int, int, int, int]]:
        """What one more operation in progress leads to.

        :returns: the state; the operation's bit among those in progress, if it is to be known by that; the bits of all
            that have taken effect by it; and its bit among what can be used once.
        """
        for bit, kind in pending.mutators.items():
            if not live & bit:
                now = self._next(kind, state)
                if now != DIES:
                    yield now, bit, bit, 0
        for kind, use in pending.blind.values():
            if not used & use:
                yield self._next(kind, state), 0, pending.blind_bits, use
        yield from self._ambiguous_steps(state, live, used, pending)

    def _ambiguous_steps(
        self, state: int, live: int, used: int, pending: _Pending
    ) -> Iterator[tuple[int, int, int, int]]:
        for kind, uses in pending.ambiguous.items():
            now = self._next(kind, state)
            gained = pending.blind_bits if self._is_blind[kind] else 0
            if now == DIES or (now == state and not gained & ~live):
                continue
            for _, use in uses:
                if not used & use:
                    yield now, 0, gained, use
                    break

    def _observed(self, state: int, pending: _Pending) -> int:
        """The bits of the observers in progress that can have returned what they did in a state."""
        bits = pending.seen.get(state)
        if bits is None:
            bits = 0
            for bit, kind in pending.observers.items():
                if self._next(kind, state) == state:
                    bits |= bit
            pending.seen[state] = bits
        return bits

    def _look(self, held: int) -> None:
        """Look at the limits, now and then.

        :param held: so many configurations there are, but for those that wait.
        """
        self._until_look -= 1
        if self._until_look >= 0:
            return
        self._until_look = LOOKS
        taken_bytes = (held + self._waiting) * CONFIGURATION_BYTES
        if max(taken_bytes, resident_bytes() - self._resident_bytes) > self._limits.memory_bytes:
            raise _GaveUp(f"it would take more than {self._limits.memory_bytes // 2**20} MiB")
        if self._limits.deadline_s is not None and time.monotonic() > self._limits.deadline_s:
            raise _GaveUp("the time limit was reached")

    def _order(self, table: Table) -> tuple[Operation, ...]:
        """The order of the first configuration that is left."""
        ((_, link), *_), *_ = table.values()
        return self._unwind(link)

    def _branches(self, table: Table) -> Iterator[Branch]:
        for (state, _), ways in list(table.items())[:BRANCHES_MAX]:
            yield Branch(self._unwind(ways[0][1]), self._states[state])

    def _unwind(self, link: Link | None) -> tuple[Operation, ...]:
        """The operations of a chain of links, in their order.

        Whose bit was whose is found again on the way. Blind operations that were discharged, and never used, come just
        before the first of their kind that was used in their time.
        """
        links = []
        while link is not None:
            links.append(link)
            link = link[4]
        links.reverse()
        used = {operation.op for _, _, operation, _ in self._replayed(links) if operation is not None}
        order: list[Operation] = []
        silent: list[Operation] = []
        for called, taken, operation, observed in self._replayed(links):
            if called is not None and called.sort is _Sort.BLIND and called.operation.op not in used:
                silent.append(called.operation)
            if operation is not None and self._model.is_blind(operation.function):
                order += silent
                silent.clear()
            order += [each for each in (taken, operation) if each is not None]
            order += observed
        return tuple(order)

    def _replayed(
        self, links: Sequence[Link]
    ) -> Iterator[tuple[_Event | None, Operation | None, Operation | None, list[Operation]]]:
        """The calls and the links, as they came.

        :returns: a call; or, of a link, what took effect by its bit among those in progress, what took effect by its
            bit among what can be used once, and the observers behind it.
        """
        live: dict[int, Operation] = {}
        once: dict[int, Operation] = {}
        following = iter(links)
        link = next(following, None)
        for place, event in enumerate(self._events):
            if link is None:
                return
            if not event.is_return:
                if event.bit:
                    live[event.bit] = event.operation
                if event.use:
                    once[event.use] = event.operation
                yield event, None, None, []
            while link is not None and link[0] == place:
                _, taken, use, observed, _ = link
                behind = [operation for bit, operation in live.items() if observed & bit]
                yield None, live.get(taken), once.get(use), behind
                link = next(following, None)


def _insert(table: Table, place: Place, used: int, link: Link | None) -> bool:
    """Add a configuration, if none is there that has used less; those that have used more make room for it."""
    ways = table.get(place)
    if ways is None:
        table[place] = [(used, link)]
        return True
    for other, _ in ways:
        if other & used == other:
            return False
    table[place] = [way for way in ways if way[0] & used != used]
    table[place].append((used, link))
    return True


def _halves(table: Table) -> tuple[Table, Table]:
    """The configurations in which less has taken effect, and the others."""
    places = sorted(table, key=lambda place: (place[1].bit_count() + table[place][0][0].bit_count(), place))
    half = len(places) // 2
    return {place: table[place] for place in places[:half]}, {place: table[place] for place in places[half:]}
