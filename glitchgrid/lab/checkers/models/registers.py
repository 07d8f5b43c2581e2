"""Registers: with reads and writes; with compare-and-set; several at once."""

import math
from collections import Counter
from collections.abc import Sequence

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State, method_name
from glitchgrid.lab.checkers.telling import did, had, named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.formats.values import Map
from glitchgrid.lab.history.operation import UNKNOWN, Operation, Outcome


class Register(Model):
    """One value, None at first. A read returns what was written last."""

    name = "register"
    observers = frozenset({"read"})
    blind = frozenset({"write"})
    is_register = True

    def read(self, state: State, operation: Operation) -> State:
        return state if operation.returns(state) else IMPOSSIBLE

    def write(self, _state: State, operation: Operation) -> State:
        return operation.argument

    def tell(self, state: State) -> str:
        return f"the register holds {named(state)}"

    def reason(self, last: Operation, others: Sequence[Operation], everything: Sequence[Operation]) -> str:
        """The commonest way to go wrong: the value had been replaced, and nobody wrote it anew."""
        seen = next(iter(self._sees(last)), UNKNOWN)
        if seen is UNKNOWN:
            return ""
        writes = [each for each in everything if each is not last and self._leaves(each) == seen]
        if not writes and seen != self.initial:
            return f"{did(last)}, and nothing wrote {named(seen)}"
        before = [each for each in writes if each.call_ns <= _end_ns(last)]
        if not before and seen != self.initial:
            return f"{did(last)} before anything that wrote {named(seen)} was called"
        for other in sorted(others, key=_end_ns, reverse=True):
            shows = self._shows(other)
            if shows is UNKNOWN or shows == seen or _end_ns(other) >= last.call_ns:
                continue
            if all(each.outcome is Outcome.OK and _end_ns(each) < other.call_ns for each in before):
                return f"{did(last)}, although {had(other)} before, and nothing wrote {named(seen)} in between"
        return ""

    def _shows(self, operation: Operation) -> State:
        """The value that the register has held when an operation had taken effect."""
        return operation.result if operation.function == "read" else self._leaves(operation)

    def without_unseen(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Leave out ambiguous writes of values that nobody has seen.

        In an order with such a write nothing depends on its value: no read returns it, no compare-and-set found it.
        So nothing that returned stands between it and the next write, and the order explains as much without it.
        """
        seen = Counter(value for each in operations for value in self._sees(each))
        in_doubt: dict[State, list[Operation]] = {}
        for each in operations:
            if each.outcome is Outcome.AMBIGUOUS:
                in_doubt.setdefault(self._leaves(each), []).append(each)
        unseen = [value for value in in_doubt if not seen[value]]
        dropped: set[int] = set()
        while unseen:
            for each in in_doubt.pop(unseen.pop(), ()):
                dropped.add(each.op)
                for value in self._sees(each):  # one less sees what this one would have found
                    seen[value] -= 1
                    if not seen[value]:
                        unseen.append(value)
        return [each for each in operations if each.op not in dropped]

    def _sees(self, operation: Operation) -> tuple[State, ...]:
        """The values that an operation depends on."""
        return (operation.result,) if operation.function == "read" and operation.result is not UNKNOWN else ()

    def _leaves(self, operation: Operation) -> State:
        """The value that an operation leaves; `UNKNOWN` for an ambiguous read, which nobody needs."""
        return UNKNOWN if operation.function == "read" else operation.argument


CAS = frozenset({"cas", "compare_and_set"})


class CasRegister(Register):
    """A register with ``cas``, whose argument is a pair: the value that must be there, and the one that replaces it."""

    name = "cas-register"

    def cas(self, state: State, operation: Operation) -> State:
        expected, new = _pair(operation)
        return new if state == expected else IMPOSSIBLE

    compare_and_set = cas

    def _sees(self, operation: Operation) -> tuple[State, ...]:
        if method_name(operation.function) in CAS:
            return (_pair(operation)[0],)
        return super()._sees(operation)

    def _leaves(self, operation: Operation) -> State:
        if method_name(operation.function) in CAS:
            return _pair(operation)[1]
        return super()._leaves(operation)


def _pair(operation: Operation) -> tuple[State, State]:
    """:raises ModelMismatch: for any other argument."""
    match operation.argument:
        case (expected, new):
            return expected, new
    raise ModelMismatch(operation.line, f"{operation.function} takes a pair, the expected value and the new one")


def _end_ns(operation: Operation) -> float:
    is_open = operation.return_ns is None or operation.outcome is Outcome.AMBIGUOUS
    return math.inf if is_open or operation.return_ns is None else operation.return_ns


class MaxRegister(Model):
    """A register that keeps the largest value written. A read returns the largest, and nothing else is promised of it.

    A write that is refused as a decrease from A changes nothing, and says that its own value is less than A, and that A
    was written, or is no more than the initial value. `glitchgrid.lab.checkers.max_register` judges this much faster.
    """

    name = "max-register"
    observers = frozenset({"read"})
    knows_refusals = True

    def __init__(self, initial: State = None) -> None:
        """:param initial: the largest value so far; 0 if there is none."""
        if initial is not None and type(initial) is not int:
            raise ModelMismatch(0, f"a {self.name} begins with a whole number, and not with {named(initial)}")
        self.first = initial if isinstance(initial, int) else 0
        super().__init__((self.first, frozenset[int]()))

    def tell(self, state: State) -> str:
        return f"the register holds {_largest_of(state)[0]}"

    def read(self, state: State, operation: Operation) -> State:
        largest, _ = _largest_of(state)
        return state if operation.returns(largest) else IMPOSSIBLE

    def write(self, state: State, operation: Operation) -> State:
        largest, written = _largest_of(state)
        value = _value(operation, operation.argument)
        if operation.outcome is Outcome.REFUSED:
            floor = _value(operation, operation.result)
            return state if value < floor and (floor <= self.first or floor in written) else IMPOSSIBLE
        return max(largest, value), written | {value}


def _largest_of(state: State) -> tuple[int, frozenset[int]]:
    assert isinstance(state, tuple)
    largest, written = state
    return largest, written


def _value(operation: Operation, value: State) -> int:
    """:raises ModelMismatch: for anything but a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ModelMismatch(operation.line, f"{operation.function} is of whole numbers, and not of {named(value)}")
    return value


class MultiRegister(Model):
    """Several registers at once, each None at first.

    ``read`` takes nothing or keys and returns a map of keys to values, ``write`` takes such a map; ``txn`` takes and
    returns a sequence of steps, each ``[r KEY VALUE]`` or ``[w KEY VALUE]`` (also ``read``, ``write``), and does all of
    them at one moment. A read of a value that is None in the argument returns it in the result.
    """

    name = "multi-register"
    initial: State = Map()
    observers = frozenset({"read"})

    def begun(self, initial: State) -> State:
        if isinstance(initial, Map):
            return initial
        raise ModelMismatch(0, f"a {self.name} begins with a map of keys and values, and not with {named(initial)}")

    def read(self, state: State, operation: Operation) -> State:
        if operation.result is UNKNOWN:
            return state
        held = _held(state)
        return (
            state
            if all(held.get(key) == value for key, value in _map(operation, operation.result).items())
            else IMPOSSIBLE
        )

    def write(self, state: State, operation: Operation) -> State:
        return Map(_held(state) | _map(operation, operation.argument))

    def txn(self, state: State, operation: Operation) -> State:
        held = dict(_held(state))
        is_known = operation.result is not UNKNOWN
        for function, key, value in _steps(operation, operation.result if is_known else operation.argument):
            if function in {"w", "write"}:
                held[key] = value
            elif is_known and held.get(key) != value:
                return IMPOSSIBLE
        return Map(held)


def _held(state: State) -> Map:
    assert isinstance(state, Map)
    return state


def _map(operation: Operation, value: State) -> Map:
    """:raises ModelMismatch: for anything but a map."""
    if not isinstance(value, Map):
        raise ModelMismatch(operation.line, f"{operation.function} is of keys and values, and not of {named(value)}")
    return value


def _steps(operation: Operation, value: State) -> tuple[tuple[State, State, State], ...]:
    """:raises ModelMismatch: for anything but reads and writes of keys."""
    if isinstance(value, tuple) and all(map(_is_step, value)):
        return value
    raise ModelMismatch(operation.line, "txn takes steps, each [r KEY VALUE] or [w KEY VALUE]")


def _is_step(value: State) -> bool:
    match value:
        case ("r" | "read" | "w" | "write", _, _):
            return True
    return False
