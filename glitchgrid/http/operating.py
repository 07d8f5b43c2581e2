"""The routes that both servers have for whoever runs them: health and metrics."""

from typing import Any, Protocol

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from glitchgrid.http.health import LIVEZ, READYZ, Health
from glitchgrid.http.metrics import Metrics


class Operated(Protocol):
    """What a class has whose app has these routes."""

    @property
    def health(self) -> Health: ...

    @property
    def metrics(self) -> Metrics: ...


def add_operating_routes(app: Klein) -> None:
    """Give `app`, that of a class such as `Operated`, its ``/livez``, ``/readyz`` and ``/metrics``."""

    def livez(face: Operated, request: IRequest) -> Deferred[bytes]:
        return face.health.answer(request, LIVEZ)

    def readyz(face: Operated, request: IRequest) -> Deferred[bytes]:
        return face.health.answer(request, READYZ)

    def metrics(face: Operated, request: IRequest) -> bytes:
        return face.metrics.answer(request)

    routes: dict[str, Any] = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}
    for path, answer in routes.items():
        app.route(path, methods=["GET"])(answer)
