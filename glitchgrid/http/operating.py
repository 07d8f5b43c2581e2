"""The routes that both servers have for whoever runs them: health and metrics."""

from typing import Any, Protocol

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from glitchgrid.http.health import LIVEZ, READYZ, Health
from glitchgrid.http.metrics import Metrics


class Watched(Protocol):
    """What a class has whose app has the routes of health."""

    @property
    def health(self) -> Health: ...


class Measured(Protocol):
    """What a class has whose app has the route of metrics."""

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
    """Give `app`, that of a class such as `Watched` and `Measured`, the routes of health and its ``/metrics``."""

    def metrics(face: Measured, request: IRequest) -> bytes:
        return face.metrics.answer(request)

    add_health_routes(app)
    _add(app, {"/metrics": metrics})


def _add(app: Klein, routes: dict[str, Any]) -> None:
    for path, answer in routes.items():
        app.route(path, methods=["GET"])(answer)
