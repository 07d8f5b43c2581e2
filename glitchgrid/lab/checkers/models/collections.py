"""Counters, sets and queues."""

from collections.abc import Sequence

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.telling import name, named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome


class Counter(Model):
    """A number, 0 at first. ``add`` takes how much, ``inc`` and ``dec`` that, or nothing for 1; ``read`` returns it."""

    name = "counter"
    initial: State = 0
    observers = frozenset({"read"})

    def begun(self, initial: State) -> State:
        if type(initial) is int:
            return initial
        raise ModelMismatch(0, f"a {self.name} begins with a whole number, and not with {named(initial)}")

    def add(self, state: State, operation: Operation) -> State:
        return _number(state) + self._by(operation)

    inc = increment = add

    def dec(self, state: State, operation: Operation) -> State:
        return _number(state) - self._by(operation)

    decrement = dec

    def read(self, state: State, operation: Operation) -> State:
        return state if operation.returns(state) else IMPOSSIBLE

    def _by(self, operation: Operation) -> int:
        if operation.argument is None and operation.function != "add":
            return 1
        if isinstance(operation.argument, bool) or not isinstance(operation.argument, int):
            raise ModelMismatch(
                operation.line, f"{operation.function} takes a whole number, and not {named(operation.argument)}"
            )
        return operation.argument


class ElementSet(Model):
    """A set, empty at first. ``add`` and ``remove`` take an element, ``read`` returns all of them, in any order."""

    name = "set"
    initial: State = frozenset()
    observers = frozenset({"read"})
    is_set = True

    def reason(self, last: Operation, others: Sequence[Operation], everything: Sequence[Operation]) -> str:
        """An element that a read lacks, or that nobody has put there."""
        if last.function != "read" or not isinstance(last.result, tuple | frozenset):
            return ""
        there = frozenset(last.result)
        touched = {each.argument for each in everything if each.function == "remove"}
        adds = [each for each in everything if each.function == "add" and each.argument not in touched]
        lost = [each for each in adds if each.argument not in there and _is_before(each, last)]
        if lost:
            more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
            return f"{name(last)} lacks {named(lost[0].argument)}, which {name(lost[0])} had put there before{more}"
        known = {*map(_argument, everything), *_elements(frozenset(self.initial))}  # type: ignore[call-overload]
        strange = sorted(map(named, there - known))
        return f"{name(last)} has {strange[0]}, which nobody had put there" if strange else ""

    def begun(self, initial: State) -> State:
        if isinstance(initial, tuple | frozenset):
            return frozenset(initial)
        raise ModelMismatch(0, f"a {self.name} begins with a list of elements, and not with {named(initial)}")

    def add(self, state: State, operation: Operation) -> State:
        return _elements(state) | {operation.argument}

    def remove(self, state: State, operation: Operation) -> State:
        return _elements(state) - {operation.argument}

    def read(self, state: State, operation: Operation) -> State:
        if operation.result is UNKNOWN:
            return state
        if operation.result is not None and not isinstance(operation.result, tuple | frozenset):
            raise ModelMismatch(
                operation.line, f"read returns the elements of the set, and not {named(operation.result)}"
            )
        elements = operation.result or ()
        # An element that is told twice is in a set once: whoever tells it twice has not read a set.
        return state if len(elements) == len(_elements(state)) and frozenset(elements) == state else IMPOSSIBLE


class Queue(Model):
    """A queue. ``enqueue`` takes an element; ``dequeue`` returns the oldest, or None if none is there."""

    name = "fifo-queue"
    initial: State = ()

    def begun(self, initial: State) -> State:
        if isinstance(initial, tuple):
            return initial
        raise ModelMismatch(0, f"a {self.name} begins with a list of elements, and not with {named(initial)}")

    def enqueue(self, state: State, operation: Operation) -> State:
        return (*_items(state), operation.argument)

    def dequeue(self, state: State, operation: Operation) -> State:
        items = _items(state)
        return items[1:] if operation.returns(items[0] if items else None) else IMPOSSIBLE


def _is_before(add: Operation, read: Operation) -> bool:
    """Whether it had happened, and returned, before a read was called."""
    return add.outcome is Outcome.OK and add.return_ns is not None and add.return_ns < read.call_ns


def _argument(operation: Operation) -> State:
    return operation.argument if operation.function == "add" else None


def _number(state: State) -> int:
    assert isinstance(state, int)
    return state


def _elements(state: State) -> frozenset[State]:
    assert isinstance(state, frozenset)
    return state


def _items(state: State) -> tuple[State, ...]:
    assert isinstance(state, tuple)
    return state
