"""Models of the objects that distributed systems promise: registers, locks, counters, sets, queues, maps."""

from collections.abc import Sequence

from glitchgrid.lab.checkers.model import Model
from glitchgrid.lab.checkers.models.collections import Counter, ElementSet, Queue
from glitchgrid.lab.checkers.models.etcd import Etcd
from glitchgrid.lab.checkers.models.keyvalue import KeyValue
from glitchgrid.lab.checkers.models.locks import FencedLock, Mutex
from glitchgrid.lab.checkers.models.registers import CasRegister, MaxRegister, MultiRegister, Register
from glitchgrid.lab.history.formats.values import Map
from glitchgrid.lab.history.operation import Operation, Outcome

MODELS: dict[str, type[Model]] = {
    each.name: each
    for each in (
        MaxRegister,
        Register,
        CasRegister,
        MultiRegister,
        Mutex,
        FencedLock,
        Counter,
        ElementSet,
        Queue,
        KeyValue,
        Etcd,
    )
}


_BY_FUNCTIONS: tuple[tuple[frozenset[str], type[Model]], ...] = (
    (frozenset({"read", "write"}), Register),
    (frozenset({"read", "write", "cas", "compare-and-set"}), CasRegister),
    (frozenset({"acquire", "release"}), Mutex),
    (frozenset({"get", "put", "append"}), KeyValue),
    (frozenset({"enqueue", "dequeue"}), Queue),
    (frozenset({"txn"}), MultiRegister),
    (frozenset({"range", "txn", "leaseGrant", "leaseRevoke", "compact", "defragment"}), Etcd),
)


def guess(operations: Sequence[Operation]) -> type[Model] | None:
    """The model that operations are of, by their functions and results; None where that is not certain."""
    functions = {each.function for each in operations}
    returned = [each for each in operations if each.outcome is Outcome.OK]
    acquired = [each for each in returned if each.function == "acquire"]
    read = [each.result for each in returned if each.function == "read"]
    found = next((model for known, model in _BY_FUNCTIONS if functions and functions <= known), None)
    if found is Register and any(isinstance(each, Map) for each in read):
        return MultiRegister
    if found is Mutex and acquired and all(map(_is_token, acquired)):
        return FencedLock
    if found is None and read:
        return _counter_or_set(functions, read)
    return found


def _counter_or_set(functions: set[str], read: Sequence[object]) -> type[Model] | None:
    if functions <= {"read", "add", "remove"} and all(isinstance(each, tuple | frozenset) for each in read):
        return ElementSet
    return Counter if functions <= Counter.functions() and all(type(each) is int for each in read) else None


def _is_token(acquired: Operation) -> bool:
    """Whether an ``acquire`` returned a number that it was not given."""
    return type(acquired.result) is int and acquired.result != acquired.argument
