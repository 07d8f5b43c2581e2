"""Events of a history, one after the other, and the operations that they make.

The events are those of Jepsen's histories: a process invokes a function; then it is ok, it failed, or nobody knows
(info). A process has one operation at a time. One whose operation ended in "info" has crashed, and must not be used
again. A process whose name is no number, and that says "info" without having called anything, is the nemesis: what it
says is no operation, and is kept for the picture.
"""

import enum
import re
from collections.abc import Hashable, Iterable
from operator import attrgetter

from attrs import define, field, frozen

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.operation import OPERATIONS_MAX, UNKNOWN, History, Operation, Outcome, Strike

APART_NS = 1_000_000
"""Between two events of a history without times."""


class EventKind(enum.Enum):
    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@frozen
class Event:
    """One event.

    :ivar process: who says so, as text.
    :ivar at_ns: when, if the format says so.
    :ivar line: its line, from 1 on; `offset` the characters or bytes before it.
    """

    process: str
    kind: EventKind
    function: str
    value: Hashable
    key: Hashable = None
    at_ns: int | None = None
    error: str = ""
    line: int = 0
    offset: int | None = None


_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def number_of(process: str) -> int | None:
    """The number that a process has for a name; None where it has another name."""
    return int(process) if _NUMBER.fullmatch(process) else None


@define
class _Open:
    number: int
    event: Event
    at_ns: int


@define
class Pairing:
    """Makes operations of events.

    Times are kept where there are any: then the events of each process come in their order, and those of different
    processes in any. Without times what comes first in the file has happened first.
    """

    operations: list[Operation | None] = field(factory=list)
    strikes: list[Strike] = field(factory=list)
    _open: dict[str, _Open] = field(factory=dict)
    _crashed: set[str] = field(factory=set)
    _free_ns: dict[str, int] = field(factory=dict)
    _begun: dict[str, tuple[str, int]] = field(factory=dict)
    _last_ns: int = 0
    _has_times: bool | None = None

    def take(self, event: Event) -> None:
        """:raises HistoryInvalid: where an event cannot come after those before it."""
        is_strike = self._is_strike(event)
        at_ns = self._last_ns = self._time_of(event, is_strike)
        if is_strike:
            self._struck(event, at_ns)
        elif event.kind is EventKind.INVOKE:
            self._call(event, at_ns)
        else:
            self._return(event, at_ns)

    def _is_strike(self, event: Event) -> bool:
        is_own = event.kind is not EventKind.INFO or event.process in self._open
        return not is_own and number_of(event.process) is None

    def _time_of(self, event: Event, is_strike: bool) -> int:
        if is_strike:
            has_time = event.at_ns is not None and self._has_times is not False
            return event.at_ns if has_time and event.at_ns is not None else self._last_ns + APART_NS
        if self._has_times is None:
            self._has_times = event.at_ns is not None
        if not self._has_times:
            return self._last_ns + APART_NS
        if event.at_ns is None:
            raise _invalid(event, "it has no time, and those before it have")
        return event.at_ns

    def history(self) -> History:
        """What there is at the end. An operation without a return is ambiguous."""
        for opened in self._open.values():
            self.operations[opened.number] = _operation(opened, None, None)
        operations = [each for each in self.operations if each is not None]
        operations.sort(key=attrgetter("call_ns"))
        for name, begin_ns in self._begun.values():
            self.strikes.append(Strike(name, begin_ns, None))
        self._begun.clear()
        return History(tuple(operations), strikes=tuple(self.strikes), has_times=bool(self._has_times))

    def _call(self, event: Event, at_ns: int) -> None:
        if event.process in self._crashed:
            raise _invalid(event, f"process {event.process} calls {event.function}, and had crashed before")
        if event.process in self._open:
            line = self._open[event.process].event.line
            raise _invalid(
                event, f"process {event.process} calls {event.function} while its call of line {line} has not returned"
            )
        if at_ns < self._free_ns.get(event.process, 0):
            raise _invalid(event, f"process {event.process} calls {event.function} before its last return")
        if len(self.operations) >= OPERATIONS_MAX:
            raise _invalid(event, f"it is operation {OPERATIONS_MAX + 1}, and {OPERATIONS_MAX} is the most")
        self._open[event.process] = _Open(len(self.operations), event, at_ns)
        self.operations.append(None)

    def _return(self, event: Event, at_ns: int) -> None:
        opened = self._open.pop(event.process, None)
        if opened is None:
            raise _invalid(event, f"process {event.process} returns from {event.function} without having called it")
        if opened.event.function != event.function:
            raise _invalid(
                event,
                f"process {event.process} returns from {event.function}, and had called {opened.event.function}"
                f" in line {opened.event.line}",
            )
        if at_ns < opened.at_ns:
            raise _invalid(event, f"its time is before that of its call, in line {opened.event.line}")
        self._free_ns[event.process] = at_ns
        if event.kind is EventKind.INFO:
            self._crashed.add(event.process)
        self.operations[opened.number] = _operation(opened, event, at_ns)

    def _struck(self, event: Event, at_ns: int) -> None:
        """The nemesis says that it begins or ends something; each word of it lasts until its next one."""
        before = self._begun.pop(event.process, None)
        if before is not None and before[0] != event.function:
            self.strikes.append(Strike(before[0], before[1], at_ns))
        elif before is not None:
            self._begun[event.process] = before
            return
        self._begun[event.process] = (event.function, at_ns)


def paired(events: Iterable[Event]) -> History:
    """The history of these events.

    :raises HistoryInvalid: where an event cannot come after those before it.
    """
    pairing = Pairing()
    for event in events:
        pairing.take(event)
    return pairing.history()


_OUTCOMES = {EventKind.OK: Outcome.OK, EventKind.FAIL: Outcome.FAILED, EventKind.INFO: Outcome.AMBIGUOUS}


def _operation(opened: _Open, returned: Event | None, return_ns: int | None) -> Operation:
    call = opened.event
    outcome = Outcome.AMBIGUOUS if returned is None else _OUTCOMES[returned.kind]
    has_result = returned is not None and outcome is Outcome.OK
    key = call.key if call.key is not None or returned is None else returned.key
    return Operation(
        opened.number,
        call.process,
        call.function,
        call.value,
        returned.value if has_result and returned is not None else UNKNOWN,
        opened.at_ns,
        return_ns,
        outcome,
        key,
        call.line,
    )


def _invalid(event: Event, problem: str) -> HistoryInvalid:
    return HistoryInvalid(event.line, problem, event.offset)
