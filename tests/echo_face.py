"""A face for tests: it says what it was sent, waits as long as it is told to, and has deliberately bad routes."""

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from glitchgrid.errors import StoreFailed
from glitchgrid.http.face import Face, answer_errors, respond
from glitchgrid.waiting import shield

HEADERS = {b"Glitchgrid-Vault": b"me"}


class EchoFace:
    """`waiting` has one Deferred for each request to /slow and /shielded, to be fired by the test."""

    app = Klein()

    def __init__(self) -> None:
        self.waiting: list[Deferred[str | bytes]] = []
        self.arrived: list[bytes] = []

    @app.route("/", methods=["GET"])
    def hello(self, request: IRequest) -> bytes:
        return respond(request, "hello")

    @app.route("/", methods=["POST"])
    def echo(self, request: IRequest) -> bytes:
        body: bytes = request.content.read()
        self.arrived.append(body)
        return respond(request, body)

    @app.route("/slow", methods=["GET"])
    async def slow(self, request: IRequest) -> bytes:
        self.waiting.append(Deferred())
        return respond(request, await self.waiting[-1])

    @app.route("/shielded", methods=["GET"])
    async def shielded(self, request: IRequest) -> bytes:
        self.waiting.append(Deferred())
        return respond(request, await shield(self.waiting[-1]))

    @app.route("/refuses", methods=["GET"])
    def refuses(self, request: IRequest) -> bytes:
        raise StoreFailed

    @app.route("/bug", methods=["GET"])
    def bug(self, request: IRequest) -> bytes:
        raise ZeroDivisionError("secret")

    @app.route("/async-bug", methods=["GET"])
    async def async_bug(self, request: IRequest) -> bytes:
        raise ZeroDivisionError("secret")

    @app.route("/bug-on-leaving", methods=["GET"])
    def bug_on_leaving(self, request: IRequest) -> Deferred[bytes]:
        return Deferred(lambda waiting: waiting.errback(ZeroDivisionError("secret")))


answer_errors(EchoFace.app)


def site(echo: EchoFace, clock: Any, **options: Any) -> Face:
    return Face(clock, echo.app, HEADERS, **options)
