"""``GET /status``: what a server knows of itself, as one object of JSON.

It asks nobody, and answers at once: a control tells what it heard last of each vault. Its form has a number, `FORM`,
which changes where a name that is there goes away or gets another meaning; names are added under the same number.
"""

import json
import platform
from collections.abc import Mapping
from typing import Any

from twisted.copyright import version as twisted_version
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from glitchgrid import __version__
from glitchgrid.http.face import CONNECTIONS_MAX, IDLE_TIMEOUT_S, Face, respond
from glitchgrid.http.health import Health
from glitchgrid.http.timing import REQUEST_TIMEOUT_S
from glitchgrid.tls.ends import Ends
from glitchgrid.value import BODY_BYTES_MAX

FORM = 1

VERSIONS = {"glitchgrid": __version__, "python": platform.python_version(), "twisted": twisted_version}

LIMITS = {
    "connections": CONNECTIONS_MAX,
    "body_bytes": BODY_BYTES_MAX,
    "request_s": REQUEST_TIMEOUT_S,
    "idle_s": IDLE_TIMEOUT_S,
}
"""What holds for the clients of both servers."""


def _answered(request: Any) -> int | None:
    """How many requests its face has answered before this one; None behind another site, which does not count."""
    site = request.channel.site
    return site.requests_answered if isinstance(site, Face) else None


class Status:
    """What all servers tell of themselves.

    :param server: "vault" or "control".
    :param clock: says for how many seconds it has been up.
    :param limits: those of this kind of server.
    :param ends: those of its certificates; None where it has none.
    """

    def __init__(
        self,
        server: str,
        clock: IReactorTime,
        health: Health,
        limits: Mapping[str, float],
        ends: Ends | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._health = health
        self._limits = {**LIMITS, **limits}
        self._ends = ends
        self._began_s = clock.seconds()

    def answer(self, request: IRequest, facts: dict[str, Any]) -> bytes:
        """For a route to return.

        :param facts: what this kind of server tells.
        """
        common = {
            "form": FORM,
            "server": self._server,
            "uptime_s": round(self._clock.seconds() - self._began_s, 3),
            "answered": _answered(request),
            "health": self._health.told(),
            "limits": self._limits,
            "certificates": [] if self._ends is None else self._ends.told(),
            "versions": VERSIONS,
        }
        body = respond(request, json.dumps(common | facts) + "\n")
        request.setHeader(b"Content-Type", b"application/json")
        return body
