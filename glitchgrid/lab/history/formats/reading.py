"""A history in any of the formats that are known, found out by looking at how it begins."""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from glitchgrid.lab.errors import CannotRun, HistoryInvalid
from glitchgrid.lab.history.events import Event, paired
from glitchgrid.lab.history.format import lines_of, read_history
from glitchgrid.lab.history.formats.etcd import read_records
from glitchgrid.lab.history.formats.jepsen import edn_events, event_of, log_events
from glitchgrid.lab.history.formats.notation import json_values
from glitchgrid.lab.history.formats.values import Map
from glitchgrid.lab.history.operation import History

OURS, EDN, JSON, JEPSEN_LOG, ETCD = "glitchgrid", "edn", "json", "jepsen-log", "etcd"
FORMATS = (OURS, EDN, JSON, JEPSEN_LOG, ETCD)

LOOK_BYTES = 65536
"""So much of a file is looked at to find its format out."""

TEXT_BYTES_MAX = 2**30
"""The largest file that is read of formats other than ours, which is read line by line."""

_BLANK = rb"(?:[\s,]++|;[^\n]*+)*+"
_BEGINNINGS = (
    (OURS, re.compile(rb'\s*\{\s*"history"\s*:')),
    (ETCD, re.compile(rb'\s*\{\s*"ClientId"\s*:')),
    (EDN, re.compile(_BLANK + rb"[\[(]?" + _BLANK + rb"(?:#[^\s{\"]++\s*+)?\{\s*+:")),
    (JSON, re.compile(rb'\s*\[?\s*(?:\{\s*"|\])')),
    (JEPSEN_LOG, re.compile(rb"(?:[^\n]*\n)*?[^\n]*\bINFO\b[^\n]*\bjepsen\.")),
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_any(file: BinaryIO, format_name: str | None = None) -> tuple[History, str]:
    """The history of a file, and its format.

    :param format_name: one of `FORMATS`; None to find it out.
    :raises HistoryInvalid: for the first place that is not as the format says.
    :raises CannotRun: where the format cannot be found out, or the file is too large.
    """
    beginning = file.read(LOOK_BYTES).removeprefix(_BYTE_ORDER_MARK)
    file = io.BufferedReader(_Again(beginning, file))
    name = format_name or _format_of(beginning)
    if name == OURS:
        return read_history(lines_of(file)), name
    text = _text(file)
    history = read_records(io.StringIO(text)) if name == ETCD else paired(_EVENTS[name](text))
    if not history.operations and not history.strikes:
        raise CannotRun("it has no event")
    return history, name


class _Again(io.RawIOBase):
    """What was read of a file already, and the rest of it."""

    def __init__(self, beginning: bytes, rest: BinaryIO) -> None:
        self._beginning = beginning
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        data = self._beginning[:size] or self._rest.read(size)
        self._beginning = self._beginning[size:]
        buffer[: len(data)] = data
        return len(data)


def is_of_others(beginning: bytes) -> bool:
    """Whether a file that begins so is in a form that is known, and not ours."""
    return next((name != OURS for name, pattern in _BEGINNINGS if pattern.match(beginning)), False)


def _format_of(beginning: bytes) -> str:
    if not beginning.strip():
        raise CannotRun("it is empty")
    for name, pattern in _BEGINNINGS:
        if pattern.match(beginning):
            return name
    raise CannotRun(f"its format cannot be told from its beginning: say --format, {' or '.join(FORMATS)}")


def _text(file: BinaryIO) -> str:
    data = file.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise CannotRun(
            f"it has more than {TEXT_BYTES_MAX // 2**20} MiB, the most that is read of this format at once:"
            f" split it by its keys, or record it in glitchgrid's own format, which is read line by line"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HistoryInvalid(data.count(b"\n", 0, error.start) + 1, "it is not UTF-8", error.start) from None


def _json_events(text: str) -> Iterator[Event]:
    for line, offset, value in json_values(text):
        if not isinstance(value, Map):
            raise HistoryInvalid(line, "it is no object: an event is one", offset)
        yield event_of(value, line, offset)


_EVENTS: dict[str, Callable[[str], Iterator[Event]]] = {EDN: edn_events, JSON: _json_events, JEPSEN_LOG: log_events}
