"""Why a history is not linearizable: the fewest operations that already contradict each other.

What is left out is not ignored. A read that is left out says nothing, and any other operation that is left out may
have happened in its time, whatever it returned, or not at all. An order that explains the whole history explains what
is left, too; so if nothing explains what is left, nothing explains the history.

The search for the fewest is delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
input", 2002): leave out half, a quarter, ... one, for as long as the rest cannot be explained. It goes through them in
their order, and always comes to the same ones.
"""

import math
import time
from collections.abc import Hashable, Iterator, Sequence

from attrs import frozen

from glitchgrid.lab.checkers.answer import Branch, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.just_in_time import search_just_in_time
from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome

LATEST = (8, 64, 512, 4096)
"""So many of the latest operations are tried by themselves first."""

SHRINK_S = 10.0
"""For so long the fewest are looked for; then those that are left are told."""


@frozen
class Contradiction:
    """Operations that no order explains.

    :ivar operations: in the order of their calls.
    :ivar is_smallest: leave out any one of them, and the rest can be explained.
    :ivar last: the one whose return nothing explains.
    :ivar branches: the orders of these operations alone, as far as they go.
    """

    operations: tuple[Operation, ...]
    is_smallest: bool
    last: Operation
    branches: tuple[Branch, ...]


def contradiction_in(operations: Sequence[Operation], model: Model, stuck: Stuck, limits: Limits) -> Contradiction:
    """The fewest of these operations that contradict each other.

    :param stuck: what the search has found in all of them.
    """
    return _Shrinking(operations, model, stuck, limits).run()


class _Shrinking:
    def __init__(self, operations: Sequence[Operation], model: Model, stuck: Stuck, limits: Limits) -> None:
        self._model = model
        deadline_s = math.inf if limits.deadline_s is None else limits.deadline_s
        self._limits = Limits(limits.memory_bytes, min(deadline_s, time.monotonic() + SHRINK_S))
        end_ns = stuck.operation.return_ns
        assert end_ns is not None
        # What is called after the return that nothing explains cannot explain it, and what returns later is still open.
        cut = (_until(each, end_ns) for each in operations if each.call_ns <= end_ns)
        self._all = tuple(each for each in cut if each.return_ns is not None or not self._observes(each))
        self._operations = operations
        self._stuck = stuck
        self._gave_up = False
        self._is_register = model.is_register and {each.function for each in self._all} <= {"read", "write"}

    def _observes(self, operation: Operation) -> bool:
        return self._model.observes(operation.function)

    def run(self) -> Contradiction:
        kept = [each for each in self._all if each.outcome in {Outcome.OK, Outcome.REFUSED}]
        kept = self._latest_that_contradict(kept)
        size = len(kept)
        while size > 1 and not self._is_late():
            size = (size + 1) // 2
            kept = self._without_chunks(kept, size)
        kept = self._uncut(kept)
        if size <= 1 and len(kept) > 1:
            kept = self._until_none_goes(kept)
        return self._told(kept, size <= 1 and not self._is_late() and not self._gave_up)

    def _uncut(self, kept: Sequence[Operation]) -> list[Operation]:
        """These operations with all that came of them; from now on the others are uncut, too."""
        self._gave_up = False
        numbers = {each.op for each in kept}
        found = [each for each in self._operations if each.op in numbers]
        ends = [math.inf if each.return_ns is None else each.return_ns for each in found]
        self._all = tuple(each for each in self._operations if each.call_ns <= max(ends))
        return found

    def _latest_that_contradict(self, kept: list[Operation]) -> list[Operation]:
        """The latest operations, if they contradict each other by themselves.

        Most contradictions are between neighbours, and a long history takes long to search.
        """
        for size in LATEST:
            if size >= len(kept):
                break
            if self._contradicts(kept[-size:]):
                return kept[-size:]
        return kept

    def _without_chunks(self, kept: list[Operation], size: int) -> list[Operation]:
        """Leave out chunks of so many, from the first one on."""
        place = 0
        while place < len(kept) and not self._is_late():
            fewer = kept[:place] + kept[place + size :]
            if self._contradicts(fewer):
                kept = fewer
            else:
                place += size
        return kept

    def _until_none_goes(self, kept: list[Operation]) -> list[Operation]:
        while True:
            self._gave_up = False
            fewer = self._without_chunks(kept, 1)
            if len(fewer) == len(kept) or self._is_late():
                return fewer
            kept = fewer

    def _contradicts(self, kept: Sequence[Operation]) -> bool:
        relaxed, optional = self._relaxed(kept)
        found = search(relaxed, self._model.knowing(relaxed), self._limits, optional)
        self._gave_up = self._gave_up or isinstance(found, GaveUp)
        return isinstance(found, Stuck)

    def _relaxed(self, kept: Sequence[Operation]) -> tuple[list[Operation], set[int]]:
        """All operations, of which these alone have to be explained; and those that may be left out in their time."""
        chosen = {each.op for each in kept}
        relaxed: list[Operation] = []
        optional: set[int] = set()
        for each in self._without_repeated_past(kept) if self._is_register else self._all:
            if each.op in chosen:
                relaxed.append(each)
            elif not self._observes(each) and each.outcome in {Outcome.OK, Outcome.AMBIGUOUS}:
                relaxed.append(each._replace(outcome=Outcome.AMBIGUOUS, result=UNKNOWN))
                if each.outcome is Outcome.OK:
                    optional.add(each.op)
        return relaxed, optional

    def _without_repeated_past(self, kept: Sequence[Operation]) -> Iterator[Operation]:
        """All operations on a register; but of the writes that were over before the first of these was called, one for
        each value.

        Of what was before, these see the value that was written last. Whichever write that was, another one of the same
        value may have taken its place, and all the others have not happened.
        """
        begin_ns = min((each.call_ns for each in kept), default=0)
        seen: set[Hashable] = set()
        for each in self._all:
            if each.outcome is Outcome.OK and each.return_ns is not None and each.return_ns < begin_ns:
                if self._observes(each) or each.argument in seen:
                    continue
                seen.add(each.argument)
            yield each

    def _is_late(self) -> bool:
        return self._limits.deadline_s is not None and time.monotonic() > self._limits.deadline_s

    def _told(self, kept: Sequence[Operation], is_smallest: bool) -> Contradiction:
        relaxed, optional = self._relaxed(kept)
        model = self._model.knowing(relaxed)
        found = search_just_in_time(relaxed, model, self._limits, optional)  # which knows all orders, and not one
        if not isinstance(found, Stuck):  # its time is over: what the whole history has shown is what there is
            return Contradiction(tuple(kept), False, self._stuck.operation, self._stuck.branches)
        return Contradiction(tuple(kept), is_smallest, found.operation, found.branches)


def _until(operation: Operation, end_ns: int) -> Operation:
    """The operation, as far as it had come at a moment. What came of it later is not forgotten."""
    is_over = operation.return_ns is None or operation.return_ns <= end_ns
    return operation if is_over else operation._replace(return_ns=None)
