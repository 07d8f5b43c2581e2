"""The routes that both servers have for whoever runs them: health, metrics, and what the wire is."""

from typing import Any, ClassVar, Protocol

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from glitchgrid.http.face import respond
from glitchgrid.http.health import LIVEZ, READYZ, Health
from glitchgrid.http.metrics import Metrics


class Watched(Protocol):
    """What a class has whose app has the routes of health."""

    @property
    def health(self) -> Health: ...


class Operated(Watched, Protocol):
    """What a class has whose app has all of these routes.

    :cvar openapi: the document of its wire.
    """

    openapi: ClassVar[bytes]

    @property
    def metrics(self) -> Metrics: ...


def add_health_routes(app: Klein) -> None:
    """Give `app`, that of a class such as `Watched`, its ``/livez`` and ``/readyz``."""

    def livez(face: Watched, request: IRequest) -> Deferred[bytes]:
        return face.health.answer(request, LIVEZ)

    def readyz(face: Watched, request: IRequest) -> Deferred[bytes]:
        return face.health.answer(request, READYZ)

    _add(app, {"/livez": livez, "/readyz": readyz})


def add_operating_routes(app: Klein) -> None:
    """Give `app`, that of a class such as `Operated`, the routes of health, ``/metrics`` and ``/openapi.json``."""

    def metrics(face: Operated, request: IRequest) -> bytes:
        return face.metrics.answer(request)

    def openapi(face: Operated, request: IRequest) -> bytes:
        body = respond(request, face.openapi)
        request.setHeader(b"Content-Type", b"application/json")
        return body

    add_health_routes(app)
    _add(app, {"/metrics": metrics, "/openapi.json": openapi})


def _add(app: Klein, routes: dict[str, Any]) -> None:
    for path, answer in routes.items():
        app.route(path, methods=["GET"])(answer)
