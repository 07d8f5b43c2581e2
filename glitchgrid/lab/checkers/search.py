"""A checker that knows no rules: it searches for an order in which the operations explain the history.

Wing and Gong's search ("Testing and verifying concurrent objects", 1993), which remembers what it has been
through, as Lowe describes ("Testing for linearizability", 2017). It is what the tests hold the fast checker
against. Its time grows exponentially with the operations that overlap.

What the operations do is said here by itself, in `_State.after`: none of the fast checker's rules is used.
"""

import math
from collections.abc import Iterable

from attrs import frozen

from glitchgrid.lab.history.format import History, Operation, OperationKind, Outcome


@frozen
class _State:
    """The register: the largest value, and everything that was written."""

    largest: int
    initial: int
    written: frozenset[int]

    def after(self, operation: Operation) -> "_State | None":
        """The register after an operation takes effect; None where it can't have, answered as it was."""
        value, floor = operation.value, operation.floor
        assert value is not None
        if operation.kind is OperationKind.READ:
            return self if value == self.largest else None
        if operation.outcome is Outcome.DECREASES:
            assert floor is not None
            return self if value < floor and (floor <= self.initial or floor in self.written) else None
        return _State(max(self.largest, value), self.initial, self.written | {value})


def linearizable(history: History) -> bool:
    """Is there an order? How much happened is not asked here."""
    operations = _that_matter(history.operations)
    ends = [_end(each) for each in operations]
    all_answered = sum(1 << index for index, end in enumerate(ends) if end < math.inf)
    been: set[tuple[int, _State]] = set()
    to_do = [(0, _State(history.initial, history.initial, frozenset()))]
    while to_do:
        here = done, state = to_do.pop()
        if done & all_answered == all_answered:
            return True
        if here in been:
            continue
        been.add(here)
        left = [index for index in range(len(operations)) if not done >> index & 1]
        first_end = min(ends[index] for index in left)
        for index in left:
            # What was called after another's return can't come before that other.
            after = state.after(operations[index]) if operations[index].call_ns <= first_end else None
            if after is not None:
                to_do.append((done | 1 << index, after))
    return False


def _that_matter(operations: Iterable[Operation]) -> list[Operation]:
    """Those that may have happened, without the ambiguous writes of values that no answer names.

    Each of these would double the search, and none is needed: take such a write out of an order that explains
    the history, and the largest value is another only until something larger is written. No read comes in
    between, for it would have returned the value; and no refusal asks for the value.
    """
    happened = [each for each in operations if each.outcome is not Outcome.FAILED]
    read = {each.value for each in happened if each.kind is OperationKind.READ}
    named = read | {each.floor for each in happened if each.outcome is Outcome.DECREASES}
    return [each for each in happened if each.outcome is not Outcome.AMBIGUOUS or each.value in named]


def _end(operation: Operation) -> float:
    """When it had taken effect at the latest. The return of an ambiguous write says nothing of that."""
    if operation.outcome is Outcome.AMBIGUOUS or operation.return_ns is None:
        return math.inf
    return operation.return_ns
