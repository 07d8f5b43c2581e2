"""The page's server: on loopback, behind a token, and for this page alone.

Whoever knows the address has the token, which is a part of it. A request that names another host than ours, as one
does that was sent by a name which somebody else has led here, is refused; so is one that another page has sent.
"""

import hmac
import json
import secrets
import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import (
    BAD_REQUEST,
    FORBIDDEN,
    INTERNAL_SERVER_ERROR,
    NOT_FOUND,
    REQUEST_ENTITY_TOO_LARGE,
    SERVICE_UNAVAILABLE,
)
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from zope.interface import implementer

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.picture.model import Picture
from glitchgrid.lab.picture.page import as_data, as_page, script, style
from glitchgrid.lab.register.glitches import GLITCHES
from glitchgrid.lab.register.live.memory import REMEMBERED_S
from glitchgrid.lab.register.live.show import Show

log = Logger()

HOST = "127.0.0.1"
TOKEN_BYTES = 16
PAGES_MAX = 20
BODY_BYTES_MAX = 4096
BODY_KEPT_BYTES_MAX = 1 << 16
"""Whoever sends more than this has sent no request that could be answered, and is hung up on."""

EVENT_BYTES_MAX = 1 << 20
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html", "json": "application/json"}
OWN = ("live.js", "dots.js", "page.js", "round.js", "scenes.js", "live.css")
SAVED = ("timeline.html", "simulation.html")
"""Pages with a script in them: for a file, and not to be opened from here."""


class Refused(Exception):
    """A request that gets no more than a status and a line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class BoundedRequest(Request):
    """One whose body is not kept without a limit until somebody looks at it."""

    def handleContentChunk(self, data: bytes) -> None:
        assert self.content is not None, "it was made when the length was known"
        if self.content.tell() + len(data) > BODY_KEPT_BYTES_MAX:
            self.channel.forceAbortClient()
            return
        super().handleContentChunk(data)


@implementer(IPushProducer)
class _Reader:
    """A page that is open. Where it does not keep up, it gets no more until it does, and then how things are now."""

    def __init__(self, request: Any, state: Callable[[], Any], gone: Callable[["_Reader"], object]) -> None:
        self._request = request
        self._state = state
        self._has_missed = False
        self._is_paused = False
        self.ended: Deferred[None] = Deferred()
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(lambda _: self._gone(gone))

    def say(self, kind: str, text: str) -> None:
        if self._is_paused:
            self._has_missed = True
            return
        self._request.write(f"event: {kind}\ndata: {text}\n\n".encode())

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        if self._has_missed:
            self._has_missed = False
            self.say("state", json.dumps(self._state()))

    def stopProducing(self) -> None:
        self._is_paused = True

    def close(self) -> None:
        """End it: the server does."""
        self._request.loseConnection()

    def _gone(self, gone: Callable[["_Reader"], object]) -> None:
        gone(self)
        if not self.ended.called:
            self.ended.callback(None)


class Pages:
    """All pages that are open."""

    def __init__(self) -> None:
        self._readers: dict[_Reader, None] = {}

    @property
    def are_open(self) -> bool:
        return bool(self._readers)

    def publish(self, kind: str, told: Any) -> None:
        if not self._readers:
            return
        text = json.dumps(told)
        if len(text) > EVENT_BYTES_MAX:
            return
        for reader in list(self._readers):
            reader.say(kind, text)

    def open(self, request: Any, state: Callable[[], Any], log: Iterable[Any]) -> "Deferred[None]":
        """:param log: what was logged before.
        :raises Refused: where there are too many.
        """
        if len(self._readers) >= PAGES_MAX:
            raise Refused(SERVICE_UNAVAILABLE, f"{PAGES_MAX} pages are open already; close one")
        reader = _Reader(request, state, lambda each: self._readers.pop(each, None))
        self._readers[reader] = None
        reader.say("state", json.dumps(state()))
        for line in log:
            reader.say("log", json.dumps(line))
        return reader.ended

    def close(self) -> None:
        for reader in list(self._readers):
            reader.say("end", "{}")
            reader.close()


class Web:
    """:ivar url: the page's address, with its token."""

    app = Klein()

    def __init__(self, port: int, pages: Pages) -> None:
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._pages = pages
        self.show: Show | None = None
        self.url = f"http://{HOST}:{port}/{self._token}/"
        self._files: dict[str, Callable[[], str]] = {
            "picture.js": script,
            "picture.css": style,
            "timeline.html": lambda: as_page(self._show.picture()),
            "simulation.html": lambda: as_page(self._simulated),
            "simulation.json": lambda: json.dumps(as_data(self._simulated)),
            "glitches.json": lambda: json.dumps({each.name: each.what for each in GLITCHES.values()}),
        } | {name: partial(_static, name) for name in OWN}

    def command_of(self, asked: Mapping[str, Any]) -> str:
        """What a shell would be told to do the same."""
        return f"curl -d {shlex.quote(json.dumps(dict(asked)))} {self.url}do"

    @app.route("/<token>/", methods=["GET"])
    def page(self, request: IRequest, token: str) -> bytes:
        self._admit(request, token)
        return _answer(request, "html", _static("index.html"))

    @app.route("/<token>/<name>", methods=["GET"])
    def file(self, request: IRequest, token: str, name: str) -> Any:
        self._admit(request, token)
        if name == "events":
            return self._events(request)
        if name in SAVED:
            request.setHeader(b"Content-Disposition", f'attachment; filename="{name}"'.encode())
        if name == "timeline.json":
            seconds = request.args.get(b"s", [b""])[0]
            last_s = float(seconds) if seconds.isdigit() else REMEMBERED_S
            return _answer(request, "json", json.dumps(self._show.timeline(last_s)))
        make = self._files.get(name)
        if make is None:
            raise Refused(NOT_FOUND, "Not found")
        return _answer(request, name.rpartition(".")[2], make())

    @app.route("/<token>/do", methods=["POST"])
    def do(self, request: IRequest, token: str) -> "Deferred[bytes]":
        self._admit(request, token)
        return Deferred.fromCoroutine(self._do(request))

    async def _do(self, request: Any) -> bytes:
        data = request.content.read(BODY_BYTES_MAX + 1)
        if len(data) > BODY_BYTES_MAX:
            raise Refused(REQUEST_ENTITY_TOO_LARGE, f"More than {BODY_BYTES_MAX} bytes")
        try:
            asked = json.loads(data)
        except (ValueError, RecursionError):
            raise Refused(BAD_REQUEST, "The body is no JSON") from None
        if not isinstance(asked, dict):
            raise Refused(BAD_REQUEST, "The body is no JSON object")
        try:
            return _answer(request, "json", json.dumps(await self._show.do(asked)))
        except CannotRun as error:
            raise Refused(BAD_REQUEST, str(error)) from error

    @app.handle_errors(Refused)
    def refused(self, request: IRequest, failure: Any) -> bytes:
        error: Refused = failure.value
        request.setResponseCode(error.status)
        return _answer(request, "plain", f"{error}\n")

    @app.handle_errors(Exception)
    def nothing(self, request: IRequest, failure: Any) -> bytes:
        """No route, or no such method; or a fault of ours, which is logged."""
        code = getattr(failure.value, "code", None)
        if isinstance(code, int):
            request.setResponseCode(code)
            return _answer(request, "plain", "Not found\n")
        log.failure("the live page's server could not answer", failure)
        request.setResponseCode(INTERNAL_SERVER_ERROR)
        return _answer(request, "plain", "Internal error\n")

    @property
    def _show(self) -> Show:
        if self.show is None:
            raise Refused(SERVICE_UNAVAILABLE, "The grid is being started")
        return self.show

    @property
    def _simulated(self) -> Picture:
        picture = self._show.in_simulation.picture
        if picture is None:
            raise Refused(NOT_FOUND, "Nothing was simulated yet")
        return picture

    def _events(self, request: Any) -> "Deferred[None]":
        request.setHeader(b"Content-Type", b"text/event-stream")
        _harden(request)
        return self._pages.open(request, self._show.state, self._show.log)

    def _admit(self, request: Any, token: str) -> None:
        """:raises Refused: where it is not from our own page."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Refused(NOT_FOUND, "Not found")
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        if host not in self._hosts:
            raise Refused(FORBIDDEN, "This page is on 127.0.0.1 alone")
        origin = request.getHeader(b"origin")
        if origin is not None and origin.decode("latin-1") not in {f"http://{each}" for each in self._hosts}:
            raise Refused(FORBIDDEN, "Another page has asked for this")


def _answer(request: Any, kind: str, text: str) -> bytes:
    request.setHeader(b"Content-Type", f"{TYPES.get(kind, 'text/plain')}; charset=utf-8".encode())
    _harden(request)
    return text.encode("utf-8")


def _harden(request: Any) -> None:
    for name, value in (
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ):
        request.setHeader(name.encode(), value.encode())


def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")
