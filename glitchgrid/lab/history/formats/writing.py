"""A history in another format.

What a format has no words for is left out, and what it cannot say at all is an error: a refusal is written as a failure
with its reason as the error; the nemesis, keys and times are in EDN and JSON alone; our own format takes reads
and writes of whole numbers.
"""

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import count

from attrs import frozen

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.events import number_of
from glitchgrid.lab.history.format import RETURN_NAMES, VERSION
from glitchgrid.lab.history.formats.reading import EDN, ETCD, JEPSEN_LOG, JSON, OURS
from glitchgrid.lab.history.formats.values import Keyword, Map, edn_text, json_value
from glitchgrid.lab.history.operation import ANSWERING, History, Operation, Outcome

WRITABLE = (OURS, EDN, JSON, JEPSEN_LOG)

_TYPES = {Outcome.OK: "ok", Outcome.REFUSED: "fail", Outcome.FAILED: "fail", Outcome.AMBIGUOUS: "info"}


def written(history: History, name: str) -> Iterator[str]:
    """The lines of a history in a format, one of `WRITABLE`, each with its line feed.

    :raises CannotRun: for an operation that the format has no words for.
    """
    if name == ETCD:
        raise CannotRun("records of etcd's are read here, and not written")
    if name == OURS:
        yield from _ours(history)
        return
    line = {EDN: _edn_line, JSON: _json_line, JEPSEN_LOG: _log_line}[name]
    events = _events(history, history.has_times and name != JEPSEN_LOG)
    for index, event in enumerate(each for each in events if name != JEPSEN_LOG or each.error != STRIKE):
        yield line(index, event, history.has_times)


STRIKE = "strike"


@frozen
class _Written:
    """An event, as the forms of Jepsen's have it."""

    process: Hashable
    kind: str
    function: str
    value: Hashable
    key: Hashable
    at_ns: int
    error: Hashable = None


def _events(history: History, has_times: bool) -> Iterator[_Written]:
    """Calls and returns in their order, calls first at one moment: so what touches overlaps, here as there.

    :param has_times: whether they are written with their times, which then say what overlaps.
    """
    processes = _Processes(history.operations, has_times)
    moments: list[tuple[int, int, int, _Written]] = []
    for number, each in enumerate(history.operations):
        process = processes.of[each.op]
        call = _Written(process, "invoke", each.function, each.argument, each.key, each.call_ns)
        moments.append((each.call_ns, 0, number, call))
        if each.return_ns is not None:
            has_result = each.result is not None or each.function in ANSWERING
            value = each.result if each.outcome is Outcome.OK and has_result else each.argument
            error = ("refused", each.result) if each.outcome is Outcome.REFUSED else None
            kind = _TYPES[each.outcome]
            returned = _Written(process, kind, each.function, value, each.key, each.return_ns, error)
            moments.append((each.return_ns, -1 if each.op in processes.handing_over else 1, number, returned))
    for number, strike in enumerate(history.strikes):
        said = _Written(Keyword("nemesis"), "info", strike.name, None, None, strike.begin_ns, STRIKE)
        moments.append((strike.begin_ns, 0, number, said))
    moments.sort(key=lambda moment: moment[:3])
    return (event for *_, event in moments)


class _Processes:
    """The process of each operation: a number, that of its client if it has one and is free.

    A process is free when what it did before is over: where times are written, also at the very moment of its return.
    One that an operation has crashed is never free again.

    :ivar of: by the operation's number.
    :ivar handing_over: operations whose process goes on at the moment of their return.
    """

    def __init__(self, operations: Sequence[Operation], has_times: bool) -> None:
        numbers = {number for number in (number_of(each.client) for each in operations) if number is not None}
        self._new = count(max(numbers, default=-1) + 1)
        self._has_times = has_times
        self._last: dict[str, dict[int, Operation | None]] = {}
        self.of: dict[int, int] = {}
        self.handing_over: set[int] = set()
        for each in operations:
            self.of[each.op] = self._process_for(each)

    def _process_for(self, operation: Operation) -> int:
        own = self._last.setdefault(operation.client, {})
        if not own:
            number = number_of(operation.client)
            own[next(self._new) if number is None or number < 0 else number] = None
        free = (process for process, last in own.items() if last is None or self._is_over(last, operation))
        process = next(free, None)
        process = next(self._new) if process is None else process
        last = own.get(process)
        if last is not None and last.return_ns == operation.call_ns:
            self.handing_over.add(last.op)
        own[process] = operation
        return process

    def _is_over(self, last: Operation, operation: Operation) -> bool:
        if last.outcome is Outcome.AMBIGUOUS or last.return_ns is None:
            return False
        takes_time = last.call_ns < last.return_ns and operation.call_ns != operation.return_ns
        touches = last.return_ns == operation.call_ns
        return last.return_ns < operation.call_ns or (touches and takes_time and self._has_times)


_KEYWORD = re.compile(r"[\w*+!?<>=$%&|./-][\w*+!?<>=$%&|./#:'-]*")


def _edn_name(name: str) -> str:
    """A keyword, or a text where that cannot be one."""
    return f":{name}" if _KEYWORD.fullmatch(name) else edn_text(name)


def _edn_line(index: int, event: _Written, has_times: bool) -> str:
    fields = [f":process {edn_text(event.process)}", f":type :{event.kind}", f":f {_edn_name(event.function)}"]
    fields += [] if event.key is None else [f":key {edn_text(event.key)}"]
    fields.append(f":value {edn_text(event.value)}")
    fields += [f":time {event.at_ns}"] if has_times else []
    fields += [] if event.error in (None, STRIKE) else [f":error {edn_text(event.error)}"]
    fields.append(f":index {index}")
    return "{" + ", ".join(fields) + "}\n"


def _json_line(index: int, event: _Written, has_times: bool) -> str:
    fields: dict[str, object] = {"process": event.process, "type": event.kind, "f": event.function}
    fields |= {} if event.key is None else {"key": _in_json(event.key)}
    fields["value"] = _in_json(event.value)
    fields |= {"time": event.at_ns} if has_times else {}
    fields |= {} if event.error in (None, STRIKE) else {"error": _in_json(event.error)}
    return json.dumps(fields | {"index": index}) + "\n"


def _in_json(value: Hashable) -> object:
    """:raises CannotRun: for a map that JSON has not."""
    if isinstance(value, Map) and not all(isinstance(key, str) for key in value):
        raise CannotRun(
            f"JSON has no map with keys that are no texts, such as {edn_text(value)}: choose another format"
        )
    for each in value.values() if isinstance(value, Map) else value if isinstance(value, tuple | frozenset) else ():
        _in_json(each)
    return json_value(value)


def _log_line(_index: int, event: _Written, _has_times: bool) -> str:
    if event.function.split() != [event.function]:
        raise CannotRun(f"a log of Jepsen's has no function {event.function!r}: choose another format")
    if event.key is not None:
        raise CannotRun("a log of Jepsen's has no keys: choose another format")
    return f"INFO  jepsen.util - {event.process}\t:{event.kind}\t:{event.function}\t{edn_text(event.value)}\n"


def _ours(history: History) -> Iterator[str]:
    yield json.dumps({"history": VERSION, "initial": history.initial or 0}) + "\n"
    moments = []
    for number, each in enumerate(history.operations):
        _require_ours(each)
        call = {"op": each.op, "call": each.function, "client": each.client, "at_ns": each.call_ns}
        call |= {"value": each.argument} if each.function == "write" else {}
        moments.append((each.call_ns, 0, number, call))
        name = RETURN_NAMES.get((each.function, each.outcome), "failed")
        if each.return_ns is not None:
            returned = {"op": each.op, "return": name, "at_ns": each.return_ns}
            returned |= {"value": each.result} if name == "ok" and each.function == "read" else {}
            returned |= {"floor": each.result} if name == "decreases" else {}
            moments.append((each.return_ns, 1, number, returned))
    moments.sort(key=lambda moment: moment[:3])
    for *_, fields in moments:
        yield json.dumps(fields) + "\n"


def _require_ours(operation: Operation) -> None:
    """:raises CannotRun: for what is no read or write of whole numbers."""
    is_read = operation.function == "read"
    value = operation.argument if not is_read else operation.result if operation.outcome is Outcome.OK else 0
    is_right = type(value) is int and value >= (0 if is_read else 1)
    if operation.function not in {"read", "write"} or operation.key is not None or not is_right:
        raise CannotRun(
            f"{operation.function} #{operation.op} is no read, nor a write of a whole number from 1 on, and"
            f" glitchgrid's own format has no more than these: choose another one"
        )
