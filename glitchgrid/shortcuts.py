"""Shortcuts past what Klein and treq do anew for each request, although here it always comes to the same.

They stand in one place so that one can see what is left out, and leave them out again: ``python -m
benchmarks.shortcuts`` measures each way with its shortcut and without it, side by side. What it measured stands in
docs/explanation/performance.md.

===============  =====================================================================================================
`plain_routes`   Klein binds and matches werkzeug's map of routes for each request, and renders in six steps. A route
                 whose path has no variables is looked up in a dictionary instead.
`VaultURL`       treq parses, normalizes and encodes the URL of each request. All requests of control have one URL:
                 which vault it leads to is the connection's to know.
`NO_COOKIES`     treq looks for cookies in each request and each answer. Vaults set none, and are sent none.
`BytesProducer`  treq hands a body of bytes to Twisted's process-wide Cooperator, which runs on the global reactor. It
                 is written at once instead. A simulated reactor could not reach the Cooperator, either.
===============  =====================================================================================================
"""

from collections.abc import Callable
from functools import partial
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any, Protocol
from urllib.request import Request

from hyperlink import EncodedURL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

Route = Callable[[Any], Deferred[bytes] | bytes]
"""Answers a request, as a route of Klein's does."""


class KleinApp(Protocol):
    """What is needed of a Klein app. Klein itself is not imported: control's register has nothing to do with it."""

    @property
    def url_map(self) -> Any:
        """Werkzeug's map of its routes."""

    @property
    def execute_endpoint(self) -> Any:
        """Calls the function of a route."""


def plain_routes(app: KleinApp) -> dict[tuple[bytes, bytes], Route]:
    """What Klein would call, by method and path, for those of its routes whose path has no variables."""
    call = app.execute_endpoint
    return {
        (method.encode("ascii"), rule.rule.encode("ascii")): partial(call, rule.endpoint)
        for rule in app.url_map.iter_rules()
        if not rule.arguments
        for method in rule.methods or ()
    }


class VaultURL(EncodedURL):
    """A URL of every vault, that is its own normal form.

    :param path: its parts: letters.
    """

    def __init__(self, *path: str) -> None:
        super().__init__("http", "vault", path)
        self._text = f"http://vault/{'/'.join(path)}"

    def to_uri(self) -> "VaultURL":
        return self

    def to_text(self, with_password: bool = False) -> str:
        return self._text


VAULT_URL = VaultURL("")
"""What control asks for."""


class _NoCookies(CookieJar):
    def add_cookie_header(self, request: Request) -> None:
        """None."""

    def extract_cookies(self, response: HTTPResponse, request: Request) -> None:
        """None."""


NO_COOKIES: Any = _NoCookies()


@implementer(IBodyProducer)
class BytesProducer:
    """A request's body, written at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written already."""

    def resumeProducing(self) -> None:
        """All is written already."""

    def stopProducing(self) -> None:
        """All is written already."""
