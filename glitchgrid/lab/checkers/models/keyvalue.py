"""A key-value store with get, put and append: every key is a string of its own, empty at first."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from glitchgrid.lab.checkers.model import IMPOSSIBLE, Model, State
from glitchgrid.lab.checkers.telling import did, name, named
from glitchgrid.lab.errors import ModelMismatch
from glitchgrid.lab.history.operation import Operation, Outcome

UNREAD = None
"""Every text that no get has returned, nor the beginning of one: until the next put they behave alike."""


class KeyValue(Model):
    """One key of the store: ``get`` returns its text, ``put`` replaces it, ``append`` makes it longer.

    Appends that overlap can come in many orders, and few of them lead to what was read. A text that was never read, and
    that no append can turn into one that was, is as good as any other such text: all of them are one state, `UNREAD`.
    """

    name = "kv-append"
    initial: State = ""
    observers = frozenset({"get"})
    blind = frozenset({"put"})

    def __init__(self, initial: State = None, read: Iterable[str] | None = None) -> None:
        """:param read: the texts that gets have returned; None where these are not known."""
        super().__init__(initial)
        self._read = None if read is None else sorted(read)

    def begun(self, initial: State) -> State:
        if isinstance(initial, str):
            return initial
        raise ModelMismatch(0, f"a {self.name} begins with a text, and not with {named(initial)}")

    def knowing(self, operations: Sequence[Operation]) -> "KeyValue":
        returned = (each.result for each in operations if each.function == "get" and each.outcome is Outcome.OK)
        return KeyValue(self.initial, {each for each in returned if isinstance(each, str)})

    def get(self, state: State, operation: Operation) -> State:
        return state if state is not UNREAD and operation.returns(state) else IMPOSSIBLE

    def put(self, _state: State, operation: Operation) -> State:
        return self._known(_text(operation))

    def append(self, state: State, operation: Operation) -> State:
        text = _text(operation)
        return UNREAD if state is UNREAD else self._known(f"{state}{text}")

    def tell(self, state: State) -> str:
        if state is UNREAD:
            return "the key holds a text that nobody reads"
        return f"the key holds {named(state) or 'nothing'}"

    def reason(self, last: Operation, others: Sequence[Operation], everything: Sequence[Operation]) -> str:
        """What had been read or appended, and is not read any more: texts are long, and their ends are what differs."""
        del everything
        for other in reversed(others):
            is_before = other.return_ns is not None and other.return_ns < last.call_ns
            said = _lacks(last, other) if is_before and last.function == "get" else ""
            if said:
                return said
        return ""

    def _known(self, text: str) -> State:
        """The text, if it or a longer one was read."""
        if self._read is None:
            return text
        place = bisect_left(self._read, text)
        return text if place < len(self._read) and self._read[place].startswith(text) else UNREAD


def _lacks(get: Operation, other: Operation) -> str:
    """What a get lacks of what an operation before it had read or appended, in words; empty if it lacks nothing."""
    after = str(get.result)
    if other.function == "append":
        is_there = str(other.argument) in after
        return "" if is_there else f"{did(get)}, which lacks what {name(other)} had appended before"
    before = str(other.result)
    if other.function != "get" or after.startswith(before):
        return ""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((place for place, (one, another) in pairs if one != another), len(after))
    if same == len(after):
        return f"{name(get)} lacks {named(before[same:])} at its end, which {name(other)} had returned before"
    where = f"where {name(other)} had already returned {named(before[same:])} (from character {same + 1} on)"
    return f"{name(get)} returned {named(after[same:])} {where}"


def _text(operation: Operation) -> str:
    """:raises ModelMismatch: for any other argument."""
    if not isinstance(operation.argument, str):
        raise ModelMismatch(operation.line, f"{operation.function} takes a text, and not {named(operation.argument)}")
    return operation.argument
