"""Health at an endpoint of its own: for those who watch a server, and have neither a certificate nor a token for it.

Nothing but ``/livez`` and ``/readyz`` is answered there.
"""

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from glitchgrid.http.doors import Place
from glitchgrid.http.face import Face, answer_errors
from glitchgrid.http.health import Health
from glitchgrid.http.operating import add_health_routes

CONNECTIONS_MAX = 100
"""Those who watch a server are few."""


class HealthFace:
    """The routes of health alone."""

    app = Klein()

    def __init__(self, health: Health) -> None:
        self.health = health


add_health_routes(HealthFace.app)
answer_errors(HealthFace.app)


def health_door(reactor: IReactorTime, place: Place | None) -> "HealthDoor | None":
    """The door there, if there is to be one."""
    return None if place is None else HealthDoor(reactor, place)


class HealthDoor:
    """:ivar health: what is answered; to be set before it is opened."""

    health: Health

    def __init__(self, reactor: IReactorTime, place: Place) -> None:
        self._reactor = reactor
        self.place = place
        self._port: Any = None

    def open(self) -> Deferred[None]:
        """Listen. Fails as endpoints do."""
        face = Face(self._reactor, HealthFace(self.health).app, connections_max=CONNECTIONS_MAX)
        return maybeDeferred(self.place.endpoint.listen, face).addCallback(self._opened, face)

    def _opened(self, port: Any, face: Face) -> None:
        self._port, self._face = port, face

    async def close(self) -> None:
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)
            self._face.abort_all()
