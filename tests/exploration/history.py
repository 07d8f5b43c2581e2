"""What clients have seen so far, and whether a register can have behaved so.

The rules are those of the laboratory's checker (docs/explanation/correctness.md), asked when an answer goes out. They
look at the past of that moment alone: what had returned before an operation was called is known at its call, and what
has not returned yet binds nobody. So a history is linearizable if and only if no answer on the way broke a rule.
"""

from typing import NamedTuple, TypeVar

from attrs import frozen

from tests.exploration.machine import Return

T = TypeVar("T")


@frozen
class Operation:
    """A write of `value`, or a read where that is None, by the `control`-th control."""

    control: int
    value: int | None = None

    @property
    def name(self) -> str:
        return "read" if self.value is None else f"write {self.value}"


class History(NamedTuple):
    """For each operation: was it called, and how large was the largest value that had returned before?"""

    before: tuple[int | None, ...]
    done: tuple[bool, ...]
    declined: tuple[bool, ...]
    largest: int = 0
    """The largest value that has returned: of a write answered 200, a read, or the floor in a 400."""


def nothing_yet(operations: tuple[Operation, ...]) -> History:
    none = (False,) * len(operations)
    return History((None,) * len(operations), none, none)


def called(history: History, operations: tuple[Operation, ...], number: int) -> History:
    """The history with one more call. Of a write it only matters whether something larger had returned."""
    value = operations[number].value
    before = history.largest if value is None or history.largest > value else 0
    return history._replace(before=_put(history.before, number, before))


def returned(history: History, operations: tuple[Operation, ...], answer: Return) -> tuple[History, str | None]:
    """The history with one more answer, and what is wrong with that answer, if anything."""
    number, ending, value = answer
    operation = operations[number]
    assert history.before[number] is not None
    assert not history.done[number], "an operation is answered once"
    wrong = None
    if ending == "holds":
        wrong = _wrong_read(history, operations, number, value)
    elif ending == "declined":
        wrong = None if _calls(history, operations, value) else f"{value} was never written"
        history = history._replace(declined=_put(history.declined, number, True))
    elif ending == "committed":
        value = operation.value or 0
    history = history._replace(done=_put(history.done, number, True), largest=max(history.largest, value))
    if operation.value is None:  # what was known at the call of a finished read matters no more
        history = history._replace(before=_put(history.before, number, 0))
    return history, wrong


def _wrong_read(history: History, operations: tuple[Operation, ...], number: int, value: int) -> str | None:
    calls = _calls(history, operations, value)
    if not calls:
        return f"{value} was never written"
    before = history.before[number] or 0
    if before > value:
        return f"{before} had been answered before it was called"
    if min(calls) > value:
        return f"{min(calls)} had been answered before {value} was written, so {value} was never the register's value"
    return None


def _calls(history: History, operations: tuple[Operation, ...], value: int) -> list[int]:
    """For each write of `value` that may have happened: the largest value that had returned before its call."""
    calls = [0] if value == 0 else []
    for operation, before, declined in zip(operations, history.before, history.declined, strict=True):
        if operation.value == value and before is not None and not declined:
            calls.append(before)
    return calls


def _put(items: tuple[T, ...], number: int, item: T) -> tuple[T, ...]:
    return (*items[:number], item, *items[number + 1 :])
