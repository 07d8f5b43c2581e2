"""What each of `glitchgrid.shortcuts` gains: microseconds for each request, with it and without it, side by side.

    .venv/bin/python -m benchmarks.shortcuts

Everything but the part in question is a stand-in that takes next to no time: a transport that takes all bytes, an agent
that has its answer ready. The ways take turns in one process, and the fastest of their rounds counts.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from hyperlink import DecodedURL
from klein import Klein
from rich.console import Console
from rich.progress import track
from rich.table import Table
from treq.client import HTTPClient
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.client import FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest

from glitchgrid.http.face import Face, answer_errors, respond
from glitchgrid.shortcuts import NO_COOKIES, VAULT_URL, BytesProducer

ROUNDS = 15
REQUESTS = 400
US = 1e6
REQUEST = b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n"


class _Answers:
    """A face with one route."""

    app = Klein()

    @app.route("/", methods=["GET"])
    def read(self, request: IRequest) -> bytes:
        return respond(request, "7")


answer_errors(_Answers.app)


class _Transport(StringTransport):
    """Takes all bytes, and throws them away."""

    disconnecting = False

    def write(self, data: bytes) -> None:
        self.size = len(data)


class _Consumer:
    def write(self, data: bytes) -> None:
        self.size = len(data)


class _Agent:
    """Has its answer ready, and takes a request's body."""

    def __init__(self) -> None:
        self._response: Any = type("_Response", (), {"headers": Headers(), "code": 200})()

    def request(self, _method: bytes, _url: bytes, _headers: Headers, body: Any) -> Deferred[Any]:
        if body is not None:
            body.startProducing(_Consumer())
        return succeed(self._response)


def _served(face: Face) -> Callable[[], None]:
    """One request on a connection that stays open."""
    address = IPv4Address("TCP", "127.0.0.1", 1)
    channel = face.buildProtocol(address)
    transport: Any = _Transport(address, address)  # type: ignore[no-untyped-call]
    channel.makeConnection(transport)
    return lambda: channel.dataReceived(REQUEST)


def _asked(url: Any = VAULT_URL, cookies: Any = NO_COOKIES, producer: Any = BytesProducer) -> Callable[[], None]:
    """One store, as control sends it."""
    agent: Any = _Agent()
    client = HTTPClient(agent, cookies, producer)
    headers = Headers({b"Host": [b"vault"]})

    def ask() -> None:
        client.request("POST", url, headers=headers, data=b"7", cookies=cookies, allow_redirects=False, unbuffered=True)

    return ask


def _ways() -> dict[str, Callable[[], None]]:
    clock: Any = Clock()
    by_klein = Face(clock, _Answers().app)
    by_klein._routes = {}  # noqa: SLF001 - as if there were no plain routes
    return {
        "a route: looked up": _served(Face(clock, _Answers().app)),
        "a route: by Klein": _served(by_klein),
        "a store: all shortcuts": _asked(),
        "a store: a URL of hyperlink's": _asked(url=DecodedURL.from_text("http://vault/")),
        "a store: looking for cookies": _asked(cookies=None),
        "a store: FileBodyProducer": _asked(producer=FileBodyProducer),
    }


def main() -> None:
    """Measure, and print the table."""
    ways = _ways()
    best_us = dict.fromkeys(ways, float("inf"))
    console = Console()
    for _ in track(range(ROUNDS), "measuring", console=Console(stderr=True), transient=True):
        for name, way in ways.items():
            began_s = perf_counter()
            for _ in range(REQUESTS):
                way()
            best_us[name] = min(best_us[name], (perf_counter() - began_s) * US / REQUESTS)
    table = Table("way", "us each", "more than with the shortcut")
    for name, us in best_us.items():
        short = next(best_us[each] for each in best_us if each.startswith(name.partition(":")[0]))
        table.add_row(name, f"{us:.1f}", f"{us - short:.1f}" if us != short else "")
    console.print(table)


if __name__ == "__main__":
    main()
