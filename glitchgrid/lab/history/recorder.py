"""The recorder: writes a history while it happens."""

import json
from collections.abc import Callable
from threading import Lock
from typing import TextIO

from glitchgrid.lab.history.format import (
    CLIENT_CHARACTERS_MAX,
    LINE_BYTES_MAX,
    NOTHING_WRITTEN,
    NUMBER_MAX,
    READ,
    VALUE_MAX,
    VERSION,
    WRITE,
)
from glitchgrid.lab.history.operation import OPERATIONS_MAX

RESERVED = frozenset({"history", "initial", "op", "call", "return", "value", "floor", "client", "at_ns"})
"""What can't be noted: the format's own fields."""


class Recorder:
    """Call a method just before an operation's request is sent, and one just after its answer has come.

    For one event loop, or for any number of threads: a lock keeps every line whole, and the lines in the order
    of their times. A time that is taken a little too early at the call, or too late at the return, makes the
    interval longer, and never turns a correct history into a violation.

    Each line is flushed: what was recorded outlives a kill of this process (though no loss of power). What the
    reader would refuse is a ValueError here, and is not written. What is noted with an event (`notes`: the control
    that was asked, the status, ...) stands in its line for people to read.

    :param stream: a text file, opened with UTF-8 and with ``newline="\\n"``; closing it is its owner's.
    :param now_ns: the monotonic clock, as `time.monotonic_ns`.
    :param initial: the register's value before the first operation.
    """

    def __init__(self, stream: TextIO, now_ns: Callable[[], int], initial: int = NOTHING_WRITTEN) -> None:
        self._stream = stream
        self._now_ns = now_ns
        self._lock = Lock()
        self._open: dict[int, str] = {}
        self._next_op = 0
        _require(NOTHING_WRITTEN <= initial <= VALUE_MAX, f"{initial} is not an initial value")
        self._write({"history": VERSION, "initial": initial})

    def call_write(self, client: str, value: int, **notes: object) -> int:
        """A write is about to be sent. Returns its `op`, by which its return is recorded."""
        _require(NOTHING_WRITTEN < value <= VALUE_MAX, f"{value} is not a value")
        return self._call(WRITE, {"value": value, "client": client}, notes)

    def call_read(self, client: str, **notes: object) -> int:
        """A read is about to be sent. Returns its `op`, by which its return is recorded."""
        return self._call(READ, {"client": client}, notes)

    def write_ok(self, op: int, **notes: object) -> None:
        """The write was answered 200."""
        self._return(op, [WRITE], "ok", {}, notes)

    def read_ok(self, op: int, value: int, **notes: object) -> None:
        """The read was answered 200 and `value`, which is 0 for a register that was never written."""
        _require(NOTHING_WRITTEN <= value <= VALUE_MAX, f"{value} is not what a read returns")
        self._return(op, [READ], "ok", {"value": value}, notes)

    def decreases(self, op: int, floor: int, **notes: object) -> None:
        """The write was answered 400, which named `floor`."""
        _require(NOTHING_WRITTEN < floor <= VALUE_MAX, f"{floor} is not a floor")
        self._return(op, [WRITE], "decreases", {"floor": floor}, notes)

    def failed(self, op: int, **notes: object) -> None:
        """The write certainly did not happen, or the read returned nothing."""
        self._return(op, [READ, WRITE], "failed", {}, notes)

    def ambiguous(self, op: int, **notes: object) -> None:
        """The write ended in any other way: it may take effect now, later or never."""
        self._return(op, [WRITE], "ambiguous", {}, notes)

    def _call(self, function: str, fields: dict[str, object], notes: dict[str, object]) -> int:
        client = fields["client"]
        _require(isinstance(client, str) and 1 <= len(client) <= CLIENT_CHARACTERS_MAX, f"{client!r} is not a client")
        with self._lock:
            op = self._next_op
            _require(op < OPERATIONS_MAX, f"{OPERATIONS_MAX} operations are the most")
            self._event({"op": op, "call": function} | fields, notes)
            self._next_op += 1
            self._open[op] = function
        return op

    def _return(
        self, op: int, functions: list[str], name: str, fields: dict[str, object], notes: dict[str, object]
    ) -> None:
        with self._lock:
            _require(self._open.get(op) in functions, f"op {op} cannot return so: it is not open, or of the other kind")
            self._event({"op": op, "return": name} | fields, notes)
            del self._open[op]

    def _event(self, fields: dict[str, object], notes: dict[str, object]) -> None:
        _require(not RESERVED & notes.keys(), f"these cannot be noted: {sorted(RESERVED & notes.keys())}")
        at_ns = self._now_ns()
        _require(0 <= at_ns <= NUMBER_MAX, f"{at_ns} ns is not a time")
        self._write(fields | {"at_ns": at_ns} | notes)

    def _write(self, fields: dict[str, object]) -> None:
        line = json.dumps(fields, allow_nan=False) + "\n"  # in ASCII: a character is a byte
        _require(len(line) <= LINE_BYTES_MAX, f"the line has {len(line)} bytes, and {LINE_BYTES_MAX} are the most")
        self._stream.write(line)
        self._stream.flush()


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
