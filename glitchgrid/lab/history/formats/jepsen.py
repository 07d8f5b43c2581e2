"""Events in the form of Jepsen's histories, whichever notation they are written in: EDN, JSON, or its log."""

import io
import re
from collections.abc import Hashable, Iterator, Mapping

from glitchgrid.lab.errors import HistoryInvalid
from glitchgrid.lab.history.events import Event, EventKind
from glitchgrid.lab.history.formats.edn import read_forms, read_values
from glitchgrid.lab.history.formats.values import Map

_KINDS = {kind.value: kind for kind in EventKind}


def edn_events(text: str) -> Iterator[Event]:
    """The events of a file in EDN: a vector of maps, or one map after the other.

    :raises HistoryInvalid: for the first that is none.
    """
    line, counted = 1, 0
    for offset, value in read_forms(text):
        line += text.count("\n", counted, offset)
        counted = offset
        if not isinstance(value, Map):
            raise HistoryInvalid(line, "it is no map: an event is one", offset)
        yield event_of(value, line, offset)


def event_of(fields: Mapping[Hashable, Hashable], line: int, offset: int | None = None) -> Event:
    """:raises HistoryInvalid: where a field is missing, or is not what it should be."""
    process, kind, function = (_named(fields, name, line, offset) for name in ("process", "type", "f"))
    if str(kind) not in _KINDS:
        raise HistoryInvalid(line, f"its type is {kind!r}, and not one of {', '.join(_KINDS)}", offset)
    at_ns = fields.get("time")
    if at_ns is not None and (type(at_ns) is not int or at_ns < 0):
        raise HistoryInvalid(line, f"its time is {at_ns!r}, and no number of nanoseconds", offset)
    error = fields.get("error")
    return Event(
        str(process),
        _KINDS[str(kind)],
        str(function),
        fields.get("value"),
        fields.get("key"),
        at_ns,
        "" if error is None else str(error),
        line,
        offset,
    )


def _named(fields: Mapping[Hashable, Hashable], name: str, line: int, offset: int | None) -> Hashable:
    if fields.get(name) is None:
        raise HistoryInvalid(line, f"it has no {name}", offset)
    return fields[name]


_LOG_LINE = re.compile(r"jepsen\.util(?: -|:)\s+(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)(?:\s+(.*?))?\s*")


def log_events(text: str) -> Iterator[Event]:
    """The events of a log of Jepsen's. Lines of its that are no events are skipped.

    :raises HistoryInvalid: for an event whose value is no EDN, a last line that was cut off, or where no line is one.
    """
    offset, is_empty = 0, True
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.endswith("\n") and "jepsen" in line:
            raise HistoryInvalid(number, "it has no line feed at its end: the file is cut off", offset)
        at = line.find("jepsen.util")
        found = _LOG_LINE.fullmatch(line, at) if at >= 0 else None
        if found is not None:
            is_empty = False
            yield _log_event(found, number, offset)
        offset += len(line)
    if is_empty:
        raise HistoryInvalid(1, "no line of it is an event, such as: INFO  jepsen.util - 3 :invoke :write 4")


def _log_event(found: re.Match[str], number: int, offset: int) -> Event:
    try:
        values = [value for _, value in read_values(found[4] or "")]
    except HistoryInvalid as error:
        raise HistoryInvalid(number, error.problem, offset + found.start(4) + (error.offset or 0)) from None
    value = None if not values else values[0] if len(values) == 1 else tuple(values)
    return Event(found[1].lstrip(":"), _KINDS[found[2]], found[3], value, None, None, "", number, offset)
