"""The server of a page on which something is watched and broken: on loopback, behind a token, and for this page alone.

Whoever knows the address has the token, which is a part of it. A request that names another host than ours, as one
does that was sent by a name which somebody else has led here, is refused; so is one that another page has sent.
"""

import hmac
import json
import secrets
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, Generic, Protocol, Self, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
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
from twisted.web.resource import NoResource
from twisted.web.server import Site

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.picture.page import script, style
from glitchgrid.lab.web.pages import BoundedRequest, Pages, Refused

log = Logger()

HOST = "127.0.0.1"
TOKEN_BYTES = 16
BODY_BYTES_MAX = 4096
REMEMBERED_S = 60.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html", "json": "application/json"}
SHARED = ("page.js", "dots.js", "live.css")


class Show(Protocol):
    """What a page shows."""

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        """The last lines of it."""

    def state(self) -> dict[str, Any]:
        """All that there is now, in what JSON can hold."""

    def timeline(self, last_s: float) -> dict[str, Any]:
        """What the page draws of the last seconds: see `glitchgrid.lab.picture.page.as_data`."""

    async def do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a page asks for.

        :raises CannotRun: for what can't be done, in a sentence.
        """


S = TypeVar("S", bound=Show)


class Door(Generic[S]):
    """:param files: what there is besides, by its name; ``index.html`` is the page.
    :param saved: those of them with a script in them: for a file, and not to be opened from here.
    :ivar url: the page's address, with its token.
    :ivar show: None until there is something to see.
    """

    app = Klein()

    def __init__(
        self, port: int, pages: Pages, own: Mapping[str, Callable[[], str]], saved: Collection[str] = ()
    ) -> None:
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._pages = pages
        self._saved = saved
        self.show: S | None = None
        self.url = f"http://{HOST}:{port}/{self._token}/"
        shared = {name: partial(static, __package__, name) for name in SHARED}
        self._files: dict[str, Callable[[], str]] = {"picture.js": script, "picture.css": style} | shared | dict(own)

    def command_of(self, asked: Mapping[str, Any]) -> str:
        """What a shell would be told to do the same."""
        return f"curl -d {shlex.quote(json.dumps(dict(asked)))} {self.url}do"

    @app.route("/<token>/", methods=["GET"])
    def page(self, request: IRequest, token: str) -> bytes:
        self._admit(request, token)
        return answer(request, "html", self._files["index.html"]())

    @app.route("/<token>/<name>", methods=["GET"])
    def file(self, request: IRequest, token: str, name: str) -> Any:
        self._admit(request, token)
        if name == "events":
            return self._events(request)
        if name in self._saved:
            request.setHeader(b"Content-Disposition", f'attachment; filename="{name}"'.encode())
        if name == "timeline.json":
            seconds = request.args.get(b"s", [b""])[0]
            last_s = float(seconds) if seconds.isdigit() else REMEMBERED_S
            return answer(request, "json", json.dumps(self.there.timeline(last_s)))
        make = self._files.get(name)
        if make is None:
            raise Refused(NOT_FOUND, "Not found")
        return answer(request, name.rpartition(".")[2], make())

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
            return answer(request, "json", json.dumps(await self.there.do(asked)))
        except CannotRun as error:
            raise Refused(BAD_REQUEST, str(error)) from error

    @app.handle_errors(Refused)
    def refused(self, request: IRequest, failure: Any) -> bytes:
        error: Refused = failure.value
        request.setResponseCode(error.status)
        return answer(request, "plain", f"{error}\n")

    @app.handle_errors(Exception)
    def nothing(self, request: IRequest, failure: Any) -> bytes:
        """No route, or no such method; or a fault of ours, which is logged."""
        code = getattr(failure.value, "code", None)
        if isinstance(code, int):
            request.setResponseCode(code)
            return answer(request, "plain", "Not found\n")
        log.failure("the live page's server could not answer", failure)
        request.setResponseCode(INTERNAL_SERVER_ERROR)
        return answer(request, "plain", "Internal error\n")

    @property
    def there(self) -> S:
        """:raises Refused: where there is nothing yet."""
        if self.show is None:
            raise Refused(SERVICE_UNAVAILABLE, "What is to be seen is being started")
        return self.show

    def _events(self, request: Any) -> "Deferred[None]":
        request.setHeader(b"Content-Type", b"text/event-stream")
        _harden(request)
        return self._pages.open(request, self.there.state, self.there.log)

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


def answer(request: Any, kind: str, text: str) -> bytes:
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


def static(package: str, name: str) -> str:
    """A file of a package's directory ``static``."""
    return files(package).joinpath("static", name).read_text(encoding="utf-8")


class Listening:
    """A port on loopback, for a door."""

    def __init__(self, port: Any, site: Site) -> None:
        self._port = port
        self._site = site

    @classmethod
    def on(cls, reactor: Any, port: int) -> Self:
        """Take the port; any, for 0.

        :raises CannotRun: where it cannot be had.
        """
        site = Site(NoResource(), requestFactory=BoundedRequest)
        site.noisy = False
        site.displayTracebacks = False
        try:
            return cls(reactor.listenTCP(port, site, interface=HOST), site)
        except CannotListenError as error:
            raise CannotRun(f"port {port} is in use: choose another --web-port") from error

    @property
    def number(self) -> int:
        return int(self._port.getHost().port)

    def serve(self, door: Door[Any]) -> None:
        self._site.resource = door.app.resource()

    async def close(self) -> None:
        await self._port.stopListening()
