"""The history format: the record of every operation's call and return, one JSON object a line.

The first line is the header: the format's version, and the register's value at the beginning. Each line after
it is one event, in the order in which they happened::

    {"history": 1, "initial": 0}
    {"op": 17, "call": "write", "value": 7, "client": "c3", "at_ns": 123}
    {"op": 17, "return": "ok", "at_ns": 456}

A call is a "write" with its value, or a "read". How they return:

=========  =========  =======================================================================================
write      ok         200
write      decreases  400, and "floor" is the value that it names: the write certainly did not happen
write      failed     it certainly did not happen: refused before anything was sent
write      ambiguous  anything else: it may take effect now, later or never
read       ok         200, and "value" is what was read
read       failed     anything else
=========  =========  =======================================================================================

What has no return is open: an open write is ambiguous, an open read has failed. `at_ns` counts the nanoseconds
of *one* monotonic clock: two clients on two clocks can't be compared. No line is earlier than the one above it.
Fields that are not named here are skipped. A retry is an operation of its own. `glitchgrid.lab.history.recorder` writes
histories.
"""

import enum
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from attrs import evolve, frozen

from glitchgrid.lab.errors import HistoryInvalid

VERSION = 1
LINE_BYTES_MAX = 4096
"""The longest line, with its end. Python reads no integer of more than 4300 digits, and this keeps below it."""

OPERATIONS_MAX = 2_000_000
CLIENT_CHARACTERS_MAX = 64
NUMBER_MAX = 2**63 - 1
"""The largest `op` and the largest `at_ns`: 292 years."""

NOTHING_WRITTEN, VALUE_MAX = 0, 2**63 - 1
"""What a register holds that was never written, and the largest value there is."""


class OperationKind(enum.Enum):
    READ = "read"
    WRITE = "write"


class Outcome(enum.Enum):
    """How an operation ended, as far as its client can know."""

    OK = "ok"
    DECREASES = "decreases"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"


RETURNS = {
    OperationKind.READ: frozenset({Outcome.OK, Outcome.FAILED}),
    OperationKind.WRITE: frozenset(Outcome),
}


@frozen
class Operation:
    """One operation: its call, and its return if there was one.

    `value` is what a write sends, or what a read returned; `floor` is what a 400 named. An open operation has
    no `return_ns`.
    """

    op: int
    client: str
    kind: OperationKind
    value: int | None
    call_ns: int
    return_ns: int | None
    outcome: Outcome
    floor: int | None = None


@frozen
class History:
    """The operations are in the order of their calls' lines. `torn_line` is a last line that was left out."""

    initial: int
    operations: tuple[Operation, ...]
    torn_line: int | None = None


@frozen
class Counts:
    """How many operations there are, and how they ended: the five other counts add up to `operations`.

    `failed` has what did not happen, and the reads that returned nothing, the open ones among them; `refused` are the
    400s.
    """

    operations: int
    acknowledged_writes: int
    reads: int
    ambiguous: int
    failed: int
    refused: int


def returned_value(operation: Operation) -> int:
    """What an operation that was answered returned: a write its own value, a read what it read, a refusal its floor."""
    value = operation.floor if operation.outcome is Outcome.DECREASES else operation.value
    assert value is not None
    return value


def count(history: History) -> Counts:
    outcomes = [operation.outcome for operation in history.operations]
    reads = sum(each.kind is OperationKind.READ and each.outcome is Outcome.OK for each in history.operations)
    return Counts(
        operations=len(outcomes),
        acknowledged_writes=outcomes.count(Outcome.OK) - reads,
        reads=reads,
        ambiguous=outcomes.count(Outcome.AMBIGUOUS),
        failed=outcomes.count(Outcome.FAILED),
        refused=outcomes.count(Outcome.DECREASES),
    )


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, of which `read_history` is to make a history; never more of one than it would read."""
    return iter(lambda: file.readline(LINE_BYTES_MAX + 1), b"")


def read_history(lines: Iterable[bytes]) -> History:
    """Make a history of lines, each with its line feed.

    A last line without one was torn when its recorder was killed: the event counts as not there, and the
    history says which line it was.

    :raises HistoryInvalid: for the first line that is not as the format says.
    """
    reader: _Reader | None = None
    torn_line: int | None = None
    number = 0
    for number, line in enumerate(lines, start=1):
        if torn_line is not None:
            raise HistoryInvalid(torn_line, "it has no line feed at its end, and is not the last")
        if len(line) > LINE_BYTES_MAX:
            raise HistoryInvalid(number, f"it is longer than {LINE_BYTES_MAX} bytes")
        if not line.endswith(b"\n"):
            torn_line = number
        elif reader is None:
            reader = _Reader(_header(_Line(number, line)))
        else:
            reader.take(_Line(number, line))
    if reader is None:
        raise HistoryInvalid(max(number, 1), "the header is missing" if torn_line is None else "the header is torn")
    return History(reader.initial, tuple(reader.operations.values()), torn_line)


class _Line:
    """One line that holds one JSON object."""

    def __init__(self, number: int, line: bytes) -> None:
        self._number = number
        try:
            parsed = json.loads(line.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise self.invalid("it is not JSON, or names a field twice") from None
        if not isinstance(parsed, dict):
            raise self.invalid("it is not a JSON object")
        self._fields: dict[str, object] = parsed

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def invalid(self, problem: str) -> HistoryInvalid:
        return HistoryInvalid(self._number, problem)

    def integer(self, name: str, least: int, most: int) -> int:
        number = self._field(name)
        # True is an int to Python, and no number to anybody else.
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise self.invalid(f"its {name!r} is not an integer from {least} to {most}")
        return number

    def text(self, name: str) -> str:
        text = self._field(name)
        if not isinstance(text, str) or not 1 <= len(text) <= CLIENT_CHARACTERS_MAX:
            raise self.invalid(f"its {name!r} is not a text of 1 to {CLIENT_CHARACTERS_MAX} characters")
        return text

    def _field(self, name: str) -> object:
        if name not in self._fields:
            raise self.invalid(f"it has no {name!r}")
        return self._fields[name]


class _Reader:
    """Collects operations. An operation without a return keeps the outcome that it has from its call."""

    def __init__(self, initial: int) -> None:
        self.initial = initial
        self._at_ns = 0
        self.operations: dict[int, Operation] = {}

    def take(self, line: _Line) -> None:
        if ("call" in line) == ("return" in line):
            raise line.invalid("it is not a call or a return")
        op = line.integer("op", 0, NUMBER_MAX)
        at_ns = line.integer("at_ns", 0, NUMBER_MAX)
        if "call" in line:
            self._call(line, op, at_ns)
        else:
            self._return(line, op, at_ns)
        if at_ns < self._at_ns:
            raise line.invalid(f"it is at {at_ns} ns, before the {self._at_ns} ns of the line above it")
        self._at_ns = at_ns

    def _call(self, line: _Line, op: int, at_ns: int) -> None:
        kind = next((each for each in OperationKind if each.value == line.text("call")), None)
        if kind is None:
            raise line.invalid(f"its call is {line.text('call')!r}, and not 'read' or 'write'")
        if op in self.operations:
            raise line.invalid(f"op {op} is called a second time")
        if len(self.operations) >= OPERATIONS_MAX:
            raise line.invalid(f"it is operation {OPERATIONS_MAX + 1}, and {OPERATIONS_MAX} is the most")
        if kind is OperationKind.WRITE:
            value, outcome = line.integer("value", NOTHING_WRITTEN + 1, VALUE_MAX), Outcome.AMBIGUOUS
            self.operations[op] = Operation(op, line.text("client"), kind, value, at_ns, None, outcome)
        else:
            self.operations[op] = Operation(op, line.text("client"), kind, None, at_ns, None, Outcome.FAILED)

    def _return(self, line: _Line, op: int, at_ns: int) -> None:
        called = self.operations.get(op)
        if called is None:
            raise line.invalid(f"op {op} returns without a call")
        if called.return_ns is not None:
            raise line.invalid(f"op {op} returns a second time")
        if at_ns < called.call_ns:
            raise line.invalid(f"op {op} returns at {at_ns} ns, before its call at {called.call_ns} ns")
        outcome = next((each for each in RETURNS[called.kind] if each.value == line.text("return")), None)
        if outcome is None:
            raise line.invalid(f"its return is {line.text('return')!r}, and a {called.kind.value} has no such return")
        value, floor = called.value, None
        if outcome is Outcome.DECREASES:
            floor = line.integer("floor", NOTHING_WRITTEN + 1, VALUE_MAX)
        elif called.kind is OperationKind.READ and outcome is Outcome.OK:
            value = line.integer("value", NOTHING_WRITTEN, VALUE_MAX)
        self.operations[op] = evolve(called, return_ns=at_ns, outcome=outcome, value=value, floor=floor)


def _header(line: _Line) -> int:
    """The initial value."""
    if "history" not in line:
        raise line.invalid("the header is missing")
    version = line.integer("history", 0, NUMBER_MAX)
    if version != VERSION:
        raise line.invalid(f"it is a history of version {version}, and version {VERSION} is read here")
    return line.integer("initial", NOTHING_WRITTEN, VALUE_MAX)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def _refuse(constant: str) -> object:
    """Refuse NaN and Infinity, which Python takes and JSON does not have."""
    raise ValueError(constant)
