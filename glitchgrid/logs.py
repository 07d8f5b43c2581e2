"""What a server logs: one event a line, as text or as an object of JSON, with times in UTC.

Nothing waits for a log. What its file does not take is lost, and counted: before the next line that is taken, one says
how many are missing. A pipe that nobody reads is given `BACKLOG_BYTES_MAX` first.
"""

import atexit
import json
import math
import os
import select
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatEventAsClassicLogText,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

FORMATS = ("text", "json")
LEVELS = tuple(
    level.name for level in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical)
)

DEFAULT_FILE = "twistd.log"
"""twistd's own default for daemons, in the directory that they are started in."""

BACKLOG_BYTES_MAX = 2**20
"""So much waits for a pipe or a terminal that takes nothing for now."""

AT_ONCE_BYTES = select.PIPE_BUF
AT_ONCE_TERMINAL_BYTES = 256
"""What is written at once where there is room for something: no more fits for certain (pipe(7), n_tty)."""

_OF_OLD = frozenset({"time", "system", "isError", "message", "format", "failure", "why", "log_trace"})
"""What Twisted adds to events for observers of its older kind."""

Say = Callable[[dict[str, Any]], str]


def utc(when_s: float) -> str:
    """A time of day as RFC 3339 has it, always as long: ``2026-11-30T09:05:00.000000Z``."""
    return datetime.fromtimestamp(when_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_text(event: dict[str, Any]) -> str:
    """As twistd writes it, but for the time. What has several lines is indented from the second on."""
    return formatEventAsClassicLogText(event, formatTime=lambda when_s: utc(when_s or 0)) or ""


def as_json(event: dict[str, Any]) -> str:
    """Its ``time``, ``level``, ``logger`` and ``message``; the event's own fields; perhaps a ``traceback``."""
    level = event.get("log_level")
    line: dict[str, Any] = {
        "time": utc(event.get("log_time", 0)),
        "level": "info" if level is None else level.name,
        "logger": _logger(event),
        "message": formatEvent(event),
    }
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = failure.getTraceback()
    for name, value in event.items():
        if not name.startswith("log_") and name not in _OF_OLD:
            line.setdefault(name, _simple(value))
    return json.dumps(line) + "\n"


def _logger(event: dict[str, Any]) -> str:
    """A module, or a class: "-" for events of Twisted's older kind, as in its own text."""
    namespace = event.get("log_namespace", "-")
    return "-" if namespace == "log_legacy" else str(namespace)


def _simple(value: object) -> str | int | float | bool | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value if value is None or isinstance(value, str | int | float) else str(value)


class PatientFile:
    """A descriptor that is written to only when it takes something at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._at_once_bytes = AT_ONCE_TERMINAL_BYTES if os.isatty(descriptor) else AT_ONCE_BYTES
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write a line, or have it wait for the next one.

        :raises OSError: when neither can be done. Lines that waited are gone, too, where the reader is.
        """
        if len(self._waiting) + len(line) > BACKLOG_BYTES_MAX:
            self.flush()
            if len(self._waiting) + len(line) > BACKLOG_BYTES_MAX:
                raise BlockingIOError("nobody reads it")
        self._waiting += line
        self.flush()

    def flush(self) -> None:
        """Write what is taken at once."""
        waiting = self._waiting
        try:
            while waiting and self._poll.poll(0):
                del waiting[: os.write(self._descriptor, waiting[: self._at_once_bytes])]
        except BlockingIOError:
            return  # somebody else has made it non-blocking, and it is full
        except OSError:
            waiting.clear()
            raise


@implementer(ILogObserver)
class LineObserver:
    """Writes each event as a line. Whatever goes wrong with that stops nobody, and is not lost from sight.

    :param write: raises OSError for what it does not take.
    """

    def __init__(self, say: Say, write: Callable[[bytes], object]) -> None:
        self._say = say
        self._write = write
        self._lost = 0

    def __call__(self, event: dict[str, Any]) -> None:
        line = self._say(event)
        if not line:
            return
        try:
            if self._lost:
                self._write(self._encoded(self._say(_loss(event, self._lost))))
                self._lost = 0
            self._write(self._encoded(line))
        except (OSError, ValueError):  # the latter where it was closed
            self._lost += 1

    @staticmethod
    def _encoded(line: str) -> bytes:
        return line.encode("utf-8", "backslashreplace")


def _loss(event: dict[str, Any], lost: int) -> dict[str, Any]:
    return {
        "log_time": event.get("log_time", 0),
        "log_level": LogLevel.error,
        "log_namespace": __name__,
        "log_format": "{lost} lines of this log could not be written, and are lost",
        "lost": lost,
    }


@frozen
class LogChoice:
    """How a server logs.

    :ivar form: one of `FORMATS`.
    :ivar level: one of `LEVELS`: this one, and those that are worse.
    :ivar path: of a file; "-" is standard output, and so is None in the foreground.
    """

    form: str
    level: str
    path: str | None
    is_in_foreground: bool

    def observer(self) -> Any:
        """For twistd to log with. A file is opened for it, and made where it is missing.

        :raises OSError: when that can't be done.
        """
        say = as_json if self.form == "json" else as_text
        predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(self.level))
        return FilteringLogObserver(LineObserver(say, self._opened()), [predicate])

    def _opened(self) -> Callable[[bytes], object]:
        if self.path != "-" and (self.path or not self.is_in_foreground):
            log_file: Any = LogFile.fromFullPath(os.path.abspath(self.path or DEFAULT_FILE))
            write: Callable[[bytes], object] = log_file.write
            return write
        try:
            standard_output = PatientFile(sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
        except OSError:
            return lambda _: None  # it was closed before the start
        atexit.register(_flush, standard_output)
        return standard_output.write


def _flush(file: PatientFile) -> None:
    try:
        file.flush()
    except OSError:
        return  # there is nobody left to tell
