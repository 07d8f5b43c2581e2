"""Sets to which every element is added once, and from which nothing is removed: an exact answer in O(n log n).

What a read returns says which adds came before it, and which did not. So reads come in the order of their sets, each
of which has to contain the one before; an add comes between the first read that has its element and the one before
that; and an add that no read has seen comes behind all of them, or never if it may not have happened. That gives
blocks: adds, the reads of one set, adds, the reads of the next. Within a block any order will do. Hence the history is
linearizable if and only if nothing in a later block returned before something in an earlier one was called.
"""

import math
from collections.abc import Container, Hashable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from glitchgrid.lab.checkers.answer import Found, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.model import Model, State
from glitchgrid.lab.checkers.prefixes import Prefixes
from glitchgrid.lab.checkers.taking_part import taking_part, until_ns
from glitchgrid.lab.history.operation import Operation, Outcome

ADD, READ = "add", "read"

Timed = tuple[Operation, float]


def grows_only(operations: Sequence[Operation], model: Model) -> bool:
    """Whether this is a set that is added to and read alone, and no element comes to be in it twice."""
    if not model.is_set or not all(each.function in (ADD, READ) and _is_told(each) for each in operations):
        return False
    added = [each.argument for each in operations if each.function == ADD and each.outcome is not Outcome.FAILED]
    different = set(added)
    return len(different) == len(added) and not different & set(_elements(model.initial))


def search_growing_sets(
    operations: Sequence[Operation], model: Model, limits: Limits, optional: Container[int] = ()
) -> Found | Stuck | GaveUp:
    """Look for an order, of operations on a set that only grows.

    :param optional: operations, by their numbers, that may be left out: in the order or not, but in their time.
    """
    kept = taking_part(operations, model)
    initial = frozenset(_elements(model.initial))

    def order(there: Sequence[Timed]) -> Sequence[Operation] | None:
        return _ordered(there, initial)

    found = order([(each, until_ns(each, optional)) for each in kept])
    return Found(tuple(found)) if found is not None else Prefixes(kept, model, order, optional).longest(limits)


def _ordered(operations: Sequence[Timed], initial: frozenset[Hashable]) -> Sequence[Operation] | None:
    blocks = _blocks(operations, initial)
    if blocks is None:
        return None
    order: list[Operation] = []
    called_ns = -math.inf
    for block in blocks:
        if min(end_ns for _, end_ns in block) < called_ns:
            return None
        called_ns = max(called_ns, *(each.call_ns for each, _ in block))
        order += sorted((each for each, _ in block), key=attrgetter("call_ns"))
    return order


def _blocks(operations: Sequence[Timed], initial: frozenset[Hashable]) -> list[list[Timed]] | None:
    """None where the sets that were read are no chain, or have what nobody has added."""
    adds = {each.argument: (each, end_ns) for each, end_ns in operations if each.function == ADD}
    reads = [
        (frozenset(_elements(each.result)), (each, end_ns)) for each, end_ns in operations if each.function == READ
    ]
    if any(len(elements) != len(_elements(each.result)) for elements, (each, _) in reads):
        return None  # an element that is told twice is in a set once
    blocks: list[list[Timed]] = []
    before = initial
    for elements, alike in groupby(sorted(reads, key=lambda read: len(read[0])), key=lambda read: read[0]):
        new = elements - before
        if not before <= elements or not new <= adds.keys():
            return None
        blocks += [[adds.pop(element) for element in new], [read for _, read in alike]]
        before = elements
    blocks.append([(each, end_ns) for each, end_ns in adds.values() if _has_happened(each, end_ns)])
    return [block for block in blocks if block]


def _has_happened(add: Operation, end_ns: float) -> bool:
    """Whether an add that nobody has seen cannot be left out."""
    return add.outcome is Outcome.OK and end_ns < math.inf


def _is_told(operation: Operation) -> bool:
    """Whether what a read has returned is a list of elements; the general search says what is wrong with others."""
    return operation.function != READ or operation.outcome is not Outcome.OK or _is_list(operation.result)


def _is_list(result: object) -> bool:
    return result is None or isinstance(result, tuple | frozenset)


def _elements(state: State) -> Sequence[Hashable]:
    return tuple(state) if isinstance(state, Iterable) else ()
