"""Registers in which every value is written once: an exact answer in O(n log n).

Where nobody writes a value twice, nor the initial one, a read says which write it has seen (Gibbons and Korach,
"Testing shared memories", 1997). A write and its reads are a *cluster*: while one of its operations and another one
take effect, nothing else is written. So the clusters follow each other whole, and A has to come before B if an
operation of A returned before one of B was called: if A's earliest return is before B's latest call. The initial value
is a cluster whose write returned before everything.

An order of clusters that respects this is built from its beginning: the next one is any that no other one has to
precede. Only two need be looked at, the one with the earliest latest call and the one with the earliest return: if
neither may come next, none may, and the history is not linearizable. In a cluster its write comes first, and no read
may have returned before that was called.
"""

import heapq
import math
from collections.abc import Container, Iterator, Sequence
from operator import attrgetter

from attrs import define, field

from glitchgrid.lab.checkers.answer import Found, GaveUp, Limits, Stuck
from glitchgrid.lab.checkers.model import Model, State
from glitchgrid.lab.checkers.prefixes import Prefixes
from glitchgrid.lab.checkers.taking_part import taking_part, until_ns
from glitchgrid.lab.history.operation import Operation, Outcome

READ, WRITE = "read", "write"


def are_unique(operations: Sequence[Operation], model: Model) -> bool:
    """Whether this is a register that is read and written alone, and no value comes to be in it twice."""
    if not model.is_register or not all(each.function in (READ, WRITE) for each in operations):
        return False
    written = [each.argument for each in operations if each.function == WRITE and each.outcome is not Outcome.FAILED]
    different = set(written)
    return len(different) == len(written) and model.initial not in different


def search_unique_values(
    operations: Sequence[Operation], model: Model, limits: Limits, optional: Container[int] = ()
) -> Found | Stuck | GaveUp:
    """Look for an order, of operations that are unique.

    :param optional: operations, by their numbers, that may be left out: in the order or not, but in their time.
    """
    kept = taking_part(operations, model)

    def order(there: Sequence[tuple[Operation, float]]) -> Sequence[Operation] | None:
        clusters = _ordered(there, model.initial)
        return None if clusters is None else list(_operations(clusters))

    found = order([(each, until_ns(each, optional)) for each in kept])
    return Found(tuple(found)) if found is not None else Prefixes(kept, model, order, optional).longest(limits)


@define(eq=False)
class _Cluster:
    """A write and its reads.

    :ivar write: None for the initial value's.
    :ivar returned_ns: when the first of them returned.
    :ivar called_ns: when the last of them was called.
    """

    value: State
    write: Operation | None
    returned_ns: float
    called_ns: float
    reads: list[Operation] = field(factory=list)


def _ordered(operations: Sequence[tuple[Operation, float]], initial: State) -> list[_Cluster] | None:
    """The clusters in an order that explains the operations; None where there is none.

    :param operations: each with the moment at which it has taken effect at the latest.
    """
    clusters = {initial: _Cluster(initial, None, -math.inf, -math.inf)}
    for each, end_ns in operations:
        if each.function == WRITE:
            clusters[each.argument] = _Cluster(each.argument, each, end_ns, each.call_ns)
    for each, end_ns in operations:
        if each.function == READ:
            cluster = clusters.get(each.result)
            if cluster is None or (cluster.write is not None and end_ns < cluster.write.call_ns):
                return None
            cluster.reads.append(each)
            cluster.returned_ns = min(cluster.returned_ns, end_ns)
            cluster.called_ns = max(cluster.called_ns, each.call_ns)
    return _in_order([each for each in clusters.values() if each.reads or _has_happened(each)])


def _has_happened(cluster: _Cluster) -> bool:
    """Whether a write that nobody has read cannot be left out."""
    return cluster.write is not None and cluster.write.outcome is Outcome.OK and cluster.returned_ns < math.inf


def _in_order(clusters: Sequence[_Cluster]) -> list[_Cluster] | None:
    by_return = [(each.returned_ns, number) for number, each in enumerate(clusters)]
    by_call = [(each.called_ns, number) for number, each in enumerate(clusters)]
    heapq.heapify(by_return)
    heapq.heapify(by_call)
    is_done = [False] * len(clusters)
    order: list[_Cluster] = []
    while len(order) < len(clusters):
        _drop(by_return, is_done)
        _drop(by_call, is_done)
        returned_ns, first_returned = by_return[0]
        called_ns, first_called = by_call[0]
        chosen = first_called
        if first_called == first_returned or returned_ns < called_ns:
            # Whoever returns first would hold up itself alone: what holds it up is the next one.
            chosen = first_returned
            heapq.heappop(by_return)
            _drop(by_return, is_done)
            if by_return and by_return[0][0] < clusters[chosen].called_ns:
                return None
        is_done[chosen] = True
        order.append(clusters[chosen])
    return order


def _drop(heap: list[tuple[float, int]], is_done: Sequence[bool]) -> None:
    """Drop those from the top that are in the order."""
    while heap and is_done[heap[0][1]]:
        heapq.heappop(heap)


def _operations(clusters: Sequence[_Cluster]) -> Iterator[Operation]:
    for each in clusters:
        if each.write is not None:
            yield each.write
        yield from sorted(each.reads, key=attrgetter("call_ns"))
