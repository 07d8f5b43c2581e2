"""A line of the log for each request that fails by the server's doing, or, where that is wanted, for each request.

A server that has lost its majority or its disk fails every request, thousands a second. So failures have `FAILURES_MAX`
lines a second at most; how many more there were is said in the next second's first.
"""

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from glitchgrid.errors import one_line
from glitchgrid.http.naming import given_request_id, traceparent

FAILURES_MAX = 10
"""So many lines of failures a second."""

PATH_SHOWN_MAX = 100
"""So much of a path is shown."""

_SERVER_ERROR = 500


class RequestLog:
    """:param every: whether each request has a line."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, *, every: bool = False) -> None:
        self._clock = clock
        self._every = every
        self._second: int | None = None
        self._failures = 0

    def note(self, request: Any) -> None:
        """A request has been answered."""
        if self._every or (request.code >= _SERVER_ERROR and self._has_room()):
            self._say(request)

    def note_bug(self, request: Any, failure: Failure) -> None:
        """A request has met a bug of this program: whoever knows of it must not fill the log with tracebacks."""
        if self._has_room():
            what = "bug while answering {method} {path}"
            self._log.failure(what, failure, method=request.method, path=request.path[:PATH_SHOWN_MAX])

    def note_refusal(self, client: Any, status: int, request_id: bytes) -> None:
        """A client was answered out of turn, to what was no whole request, and its connection is being closed."""
        if self._every:
            self._log.info(
                "{client} is refused: {status}, request {request_id}",
                client=str(getattr(client, "host", "-")),
                status=status,
                request_id=_text(request_id),
            )

    def _has_room(self) -> bool:
        second = int(self._clock.seconds())
        if second != self._second:
            unsaid = self._failures - FAILURES_MAX
            self._second, self._failures = second, 0
            if unsaid > 0:
                self._log.warn("{unsaid} more requests have failed, and have no line", unsaid=unsaid)
        self._failures += 1
        return self._failures <= FAILURES_MAX

    def _say(self, request: Any) -> None:
        path = request.uri.decode("latin-1")
        self._log.emit(
            LogLevel.warn if request.code >= _SERVER_ERROR else LogLevel.info,
            "{client} {method} {path}: {status}, {bytes} bytes, {ms:.1f} ms, request {request_id}",
            client=str(getattr(request.getClientAddress(), "host", "-")),
            method=one_line(request.method.decode("latin-1")),
            path=one_line(path[:PATH_SHOWN_MAX]),
            status=request.code,
            bytes=request.sentLength,
            ms=1000 * (self._clock.seconds() - request.begun_s),
            request_id=_text(request.request_id or given_request_id(request)),
            traceparent=_text(traceparent(request)),
        )


def _text(given: bytes | None) -> str | None:
    return None if given is None else given.decode("ascii")
