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

import json
import re
from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, cast

from attrs import frozen

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.operation import OPERATIONS_MAX, UNKNOWN, History, Operation, Outcome

VERSION = 1
LINE_BYTES_MAX = 4096
"""The longest line, with its end. Python reads no integer of more than 4300 digits, and this keeps below it."""

CLIENT_CHARACTERS_MAX = 64
NUMBER_MAX = 2**63 - 1
"""The largest `op` and the largest `at_ns`: 292 years."""

NOTHING_WRITTEN, VALUE_MAX = 0, 2**63 - 1
"""What a register holds that was never written, and the largest value there is."""


READ, WRITE = "read", "write"

RETURNS = {
    READ: {"ok": Outcome.OK, "failed": Outcome.FAILED},
    WRITE: {
        "ok": Outcome.OK,
        "decreases": Outcome.REFUSED,
        "failed": Outcome.FAILED,
        "ambiguous": Outcome.AMBIGUOUS,
    },
}
"""How operations return, as a line says it, and what that comes to."""

RETURN_NAMES = {(function, outcome): name for function, names in RETURNS.items() for name, outcome in names.items()}


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
    acknowledged = operation.function == WRITE and operation.outcome is Outcome.OK
    value = operation.argument if acknowledged else operation.result
    assert isinstance(value, int)
    return value


def returned_values(operations: Iterable[Operation]) -> list[int]:
    """What each of these returned, as `returned_value` has it: there may be millions."""
    values = [
        each.argument if each.outcome is Outcome.OK and each.function == WRITE else each.result for each in operations
    ]
    return cast("list[int]", values)


def written_value(write: Operation) -> int:
    """What a write sent, however it ended."""
    assert isinstance(write.argument, int)
    return write.argument


def initial_value(history: History) -> int:
    assert isinstance(history.initial, int)
    return history.initial


def count(history: History) -> Counts:
    outcomes = [operation.outcome for operation in history.operations]
    reads = sum(each.function == READ and each.outcome is Outcome.OK for each in history.operations)
    return Counts(
        operations=len(outcomes),
        acknowledged_writes=outcomes.count(Outcome.OK) - reads,
        reads=reads,
        ambiguous=outcomes.count(Outcome.AMBIGUOUS),
        failed=outcomes.count(Outcome.FAILED),
        refused=outcomes.count(Outcome.REFUSED),
    )


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, of which `read_history` is to make a history; never more of one than it would read."""
    return iter(partial(file.readline, LINE_BYTES_MAX + 1), b"")


def read_history(lines: Iterable[bytes]) -> History:
    """Make a history of lines, each with its line feed.

    A last line without one was torn when its recorder was killed: the event counts as not there, and the
    history says which line it was.

    :raises HistoryInvalid: for the first line that is not as the format says.
    """
    numbered = enumerate(lines, start=1)
    first = next(numbered, None)
    if first is None:
        raise HistoryInvalid(1, "the header is missing")
    if _is_torn(*first):
        raise HistoryInvalid(1, "the header is torn")
    reader = _Reader(_header(_Line(*first)))
    for number, line in reader.not_plain(numbered):
        if _is_torn(number, line):
            if next(numbered, None) is not None:
                raise HistoryInvalid(number, "it has no line feed at its end, and is not the last")
            return History(tuple(reader.operations()), reader.initial, number)
        reader.take(_Line(number, line))
    return History(tuple(reader.operations()), reader.initial)


def _is_torn(number: int, line: bytes) -> bool:
    if len(line) > LINE_BYTES_MAX:
        raise HistoryInvalid(number, f"it is longer than {LINE_BYTES_MAX} bytes")
    return not line.endswith(b"\n")


class _Line:
    """One line that holds one JSON object."""

    def __init__(self, number: int, line: bytes) -> None:
        self.number = number
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
        return HistoryInvalid(self.number, problem)

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


_NUMBER = rb"(0|[1-9][0-9]{0,17})"
_CLIENT = rb"([ !#-[\]-~]{1,%d})" % CLIENT_CHARACTERS_MAX
_PLAIN = re.compile(
    rb'{"op": %b, (?:"call": (?:"read"|"write", "value": ([1-9][0-9]{0,17})), "client": "%b", "at_ns": %b'
    rb'|"return": "ok"(?:, "value": %b)?, "at_ns": %b)}\n' % (_NUMBER, _CLIENT, _NUMBER, _NUMBER, _NUMBER)
)
"""Lines as a `Recorder` writes most of them, without notes. A reader of JSON would take most of the time for them."""

_Called = tuple[int, str, str, int | None, int]
"""An operation that has not returned: its place in the order of the calls, its client, its function, what it writes,
and when it was called."""


class _Reader:
    """Collects operations. An operation without a return keeps the outcome that it has from its call."""

    def __init__(self, initial: int) -> None:
        self.initial = initial
        self._at_ns = 0
        self._called: dict[int, _Called | None] = {}  # None for what has returned
        self._operations: list[Operation | None] = []  # in the order of the calls; None for what has not returned

    def operations(self) -> Iterator[Operation]:
        """All of them, at the end."""
        still_open = {called[0]: (op, called) for op, called in self._called.items() if called is not None}
        for place, operation in enumerate(self._operations):
            if operation is not None:
                yield operation
                continue
            op, (_, client, function, value, at_ns) = still_open[place]
            outcome = Outcome.AMBIGUOUS if function == WRITE else Outcome.FAILED
            yield Operation(op, client, function, value, UNKNOWN, at_ns, None, outcome)

    def not_plain(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Take the plainest lines, and return the others, with their numbers.

        Most lines are plain, and there may be millions: this is written out, so that a line costs no call.
        """
        known, operations, plain = self._called, self._operations, _PLAIN.fullmatch
        clients: dict[bytes, str] = {}
        for number, line in lines:
            found = plain(line)
            if found is not None:
                op_text, written, client, called_at, read, returned_at = found.groups()
                op = int(op_text)
                called = known.get(op)
                at_ns = int(called_at or returned_at)
                is_in_time = at_ns >= self._at_ns
                if is_in_time and called_at is None and called and (called[2] == READ) == (read is not None):
                    place, name, function, value, call_ns = called
                    known[op] = None
                    self._at_ns = at_ns
                    result = int(read) if read else None
                    operations[place] = Operation(op, name, function, value, result, call_ns, at_ns, Outcome.OK)
                    continue
                if is_in_time and called_at is not None and op not in known and len(operations) < OPERATIONS_MAX:
                    name = clients.get(client) or clients.setdefault(client, client.decode("ascii"))
                    function = READ if written is None else WRITE
                    known[op] = len(operations), name, function, int(written) if written else None, at_ns
                    self._at_ns = at_ns
                    operations.append(None)
                    continue
            yield number, line

    def take(self, line: _Line) -> None:
        if ("call" in line) == ("return" in line):
            raise line.invalid("it is not a call or a return")
        op = line.integer("op", 0, NUMBER_MAX)
        at_ns = line.integer("at_ns", 0, NUMBER_MAX)
        if "call" in line:
            function = line.text("call")
            if function not in RETURNS:
                raise line.invalid(f"its call is {function!r}, and not 'read' or 'write'")
            value = line.integer("value", NOTHING_WRITTEN + 1, VALUE_MAX) if function == WRITE else None
            self._call(line.number, op, function, value, line.text("client"), at_ns)
        else:
            self._take_return(line, op, at_ns)

    def _take_return(self, line: _Line, op: int, at_ns: int) -> None:
        called = self._called.get(op)
        if called is None:
            again = "returns a second time" if op in self._called else "returns without a call"
            raise line.invalid(f"op {op} {again}")
        function = called[2]
        outcome = RETURNS[function].get(line.text("return"))
        if outcome is None:
            raise line.invalid(f"its return is {line.text('return')!r}, and a {function} has no such return")
        result: Hashable = UNKNOWN
        if outcome is Outcome.REFUSED:
            result = line.integer("floor", NOTHING_WRITTEN + 1, VALUE_MAX)
        elif outcome is Outcome.OK:
            result = None if function == WRITE else line.integer("value", NOTHING_WRITTEN, VALUE_MAX)
        self._return(line.number, op, outcome, result, at_ns)

    def _call(self, number: int, op: int, function: str, value: int | None, client: str, at_ns: int) -> None:
        if op in self._called:
            raise HistoryInvalid(number, f"op {op} is called a second time")
        place = len(self._operations)
        if place >= OPERATIONS_MAX:
            raise HistoryInvalid(number, f"it is operation {OPERATIONS_MAX + 1}, and {OPERATIONS_MAX} is the most")
        if at_ns < self._at_ns:
            raise self._goes_back(number, at_ns)
        self._at_ns = at_ns
        self._called[op] = place, client, function, value, at_ns
        self._operations.append(None)

    def _return(self, number: int, op: int, outcome: Outcome, result: Hashable, at_ns: int) -> None:
        called = self._called[op]
        assert called is not None
        place, client, function, value, call_ns = called
        if at_ns < self._at_ns:
            raise self._goes_back(number, at_ns)
        self._at_ns = at_ns
        self._called[op] = None
        self._operations[place] = Operation(op, client, function, value, result, call_ns, at_ns, outcome)

    def _goes_back(self, number: int, at_ns: int) -> HistoryInvalid:
        return HistoryInvalid(number, f"it is at {at_ns} ns, before the {self._at_ns} ns of the line above it")


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
