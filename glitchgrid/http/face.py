"""What both HTTP faces share: one site with limits, one form of answers, one place for errors.

A face is a class around a class-level Klein app. `answer_errors` gives that app its error handling, `respond`
its answers, and `Face` makes it a site.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from klein import Klein
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request as HTTPRequest
from twisted.web.http import datetimeToString
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed

from glitchgrid.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestError,
    TooManyConnections,
    Unauthorized,
)
from glitchgrid.http.accepting import Accepting
from glitchgrid.http.channel import Channel
from glitchgrid.http.counting import FaceCounts
from glitchgrid.http.crowd import Crowds
from glitchgrid.http.doors import OPEN, Doors
from glitchgrid.http.naming import new_request_id
from glitchgrid.http.refusal import TurnedAway, plain_answer
from glitchgrid.http.request import Handler, Request
from glitchgrid.http.requestlog import RequestLog
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.shortcuts import plain_routes

CONNECTIONS_MAX = 10_000
"""More open connections than this are answered 503 and closed."""

TURNED_AWAY_MAX = 100
"""So many connections are being told so at one time. More are closed without a word."""

IDLE_TIMEOUT_S = 60
"""A connection with no request in progress is closed after so long."""

ALLOWED_METHODS = b"GET, HEAD, POST"

_log = Logger()


def respond(request: IRequest, text: str | bytes, status: int = 200) -> bytes:
    """Set status, type and length of an answer, and return its body, for a route to return."""
    body = text.encode("utf-8") if isinstance(text, str) else text
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def respond_error(request: IRequest, error: RequestError) -> bytes:
    return respond(request, error.message, error.status)


def refuse_method(request: IRequest) -> NoReturn:
    """Answer 405 for the target ``*``, which means the server itself and has no methods here."""
    request.setHeader(b"Allow", ALLOWED_METHODS)
    raise MethodNotAllowed


def _refuse(error: RequestError, request: IRequest) -> NoReturn:
    if isinstance(error, Unauthorized):
        request.setHeader(b"WWW-Authenticate", b"Bearer")
    raise error


def answer_failure(request: Any, failure: Failure) -> bytes:
    """The answer to whatever a route has raised."""
    if isinstance(failure.value, RequestError):
        return respond_error(request, failure.value)
    site = request.channel.site
    if isinstance(site, Face):
        site.request_log.note_bug(request, failure)
    else:
        _log.failure("bug while answering {method} {path}", failure, method=request.method, path=request.path)
    return respond_error(request, InternalError())


def answer_errors(app: Klein) -> None:
    """Give `app` the answers for everything that its routes raise, and for what has no route."""

    def wrong_method(_face: object, request: IRequest, failure: Failure) -> bytes:
        allowed = getattr(failure.value, "valid_methods", None) or ()
        request.setHeader(b"Allow", ", ".join(sorted(allowed)).encode("ascii"))
        return respond_error(request, MethodNotAllowed())

    def no_route(_face: object, request: IRequest, _failure: Failure) -> bytes:
        # Redirects to a path with fewer slashes come here too: every other path is 404.
        return respond_error(request, NotFound())

    def raised(_face: object, request: IRequest, failure: Failure) -> bytes:
        return answer_failure(request, failure)

    handlers: list[tuple[type[Exception], Any]] = [
        (WerkzeugMethodNotAllowed, wrong_method),
        (HTTPException, no_route),
        (Exception, raised),
    ]
    for error, handler in handlers:
        app.handle_errors(error)(handler)


def routes(app: Klein) -> list[str]:
    """The paths that an app answers."""
    return sorted({rule.rule for rule in app.url_map.iter_rules()})


class _Root(Resource):
    """Klein's resource, behind checks of what Klein would let pass.

    Paths that are no text or have slashes to spare, methods in lower case (they are case-sensitive, RFC 9110,
    section 9.1), odd Hosts.
    """

    isLeaf = True

    def __init__(self, app: Klein) -> None:
        super().__init__()
        self._app_resource = app.resource()

    def render(self, request: Any) -> Any:
        request.responseHeaders.removeHeader(b"Server")  # as all other answers
        path = unquote_to_bytes(request.path)
        if b"//" in path or not _is_utf8(path):
            return respond_error(request, NotFound())
        if request.method != request.method.upper():
            request.setHeader(b"Allow", ALLOWED_METHODS)
            return respond_error(request, MethodNotAllowed())
        # Nothing here depends on the host's name; without one Klein takes the socket's, which UNIX ones lack.
        request.requestHeaders.setRawHeaders(b"Host", [b"grid"])
        return self._app_resource.render(request)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class Face(Site):
    """A site with every limit of the wire set.

    :param answer_headers: go out with every answer, refusals and errors too.
    :param counts: what it counts into.
    :param doors: how it is reached, and by whom.
    :param large_bodies: the most bytes of a body, by the paths that take more than a value.
    :ivar accepting: is to be told what takes its connections.
    """

    protocol = Channel  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        app: Klein,
        answer_headers: dict[bytes, bytes] | None = None,
        connections_max: int = CONNECTIONS_MAX,
        observer: Observer = UNOBSERVED,
        counts: FaceCounts | None = None,
        doors: Doors = OPEN,
        large_bodies: Mapping[bytes, int] | None = None,
    ) -> None:
        super().__init__(
            _Root(app),
            requestFactory=Request,
            timeout=IDLE_TIMEOUT_S,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.answer_headers = answer_headers or {}
        self.large_bodies = large_bodies or {}
        self.observer = observer
        self._routes = plain_routes(app)
        self._access = doors.access
        self.request_log = RequestLog(reactor, every=doors.access_log)
        self.channels: dict[Channel, None] = {}  # in order: what is done to all is done to the oldest first
        self.counts = FaceCounts((), reactor) if counts is None else counts
        self.counts.connections = lambda: len(self.channels)
        self.accepting = Accepting(reactor, doors.connections_max, self.counts.full)
        self.requests_answered = 0
        self._connections_max = connections_max
        self._turned_away = 0
        self._crowds = Crowds(reactor)
        self._drained: Deferred[None] | None = None
        self._date_s, self._date = 0, b""

    def startFactory(self) -> None:
        """Twisted would start a clock for its access log, which is not written here."""

    def log(self, request: HTTPRequest) -> None:
        """Twisted calls this once an answer: count it."""
        self.requests_answered += 1
        self.counts.answered(request)
        self.request_log.note(request)

    def handler(self, request: Request) -> Handler | None:
        """The route of a request, where its path has no variables; None where Klein has to find it."""
        refused = None if self._access is None else self._access.problem(request)
        if refused is not None:
            return partial(_refuse, refused)
        found = self._routes.get((request.method, request.path))
        return refuse_method if found is None and request.path == b"*" else found

    def date(self) -> bytes:
        """The value of the header Date, made once a second."""
        now_s = int(time.time())
        if now_s != self._date_s:
            self._date_s, self._date = now_s, datetimeToString(now_s)
        return self._date

    def answer_to(self, request: Request, failure: Failure) -> bytes:
        """The answer to a client whose route has failed."""
        return answer_failure(request, failure)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if len(self.channels) < self._connections_max:
            connections = len(self.channels) + 1
            self._crowds.has_come(connections)
            self.accepting.has_come(connections)
            return super().buildProtocol(addr)
        self.counts.turned_away += 1
        if self._turned_away >= TURNED_AWAY_MAX:
            return None
        self._turned_away += 1
        answer = plain_answer(TooManyConnections(), self.answer_headers, new_request_id(), self.date())
        return TurnedAway(answer, self.reactor, self._has_left)

    def _has_left(self) -> None:
        self._turned_away -= 1

    def drain(self) -> Deferred[None]:
        """Let requests in progress end, close all else; fires when the last connection has gone."""
        if not self.channels:
            return succeed(None)
        self._drained = Deferred()
        for channel in list(self.channels):
            channel.drain()
        return self._drained

    def channel_closed(self) -> None:
        self._crowds.has_left(len(self.channels))
        self.accepting.has_left(len(self.channels))
        if self._drained is not None and not self._drained.called and not self.channels:
            self._drained.callback(None)

    def abort_all(self) -> None:
        for channel in list(self.channels):
            channel.abort()
