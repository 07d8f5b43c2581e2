"""``GET /status``: what a server knows of itself, as one object of JSON.

It asks nobody, and answers at once: a control tells what it heard last of each vault. Its form has a number, `FORM`,
which changes where a name that is there goes away or gets another meaning; names are added under the same number.
"""

import json
import platform
from typing import Any

from twisted.copyright import version as twisted_version
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from glitchgrid import __version__
from glitchgrid.http.face import Face, respond

FORM = 1

VERSIONS = {"glitchgrid": __version__, "python": platform.python_version(), "twisted": twisted_version}


def _answered(request: Any) -> int | None:
    """How many requests its face has answered before this one; None behind another site, which does not count."""
    site = request.channel.site
    return site.requests_answered if isinstance(site, Face) else None


class Status:
    """What all servers tell of themselves.

    :param server: "vault" or "control".
    :param clock: says for how many seconds it has been up.
    """

    def __init__(self, server: str, clock: IReactorTime) -> None:
        self._server = server
        self._clock = clock
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
            "versions": VERSIONS,
        }
        body = respond(request, json.dumps(common | facts) + "\n")
        request.setHeader(b"Content-Type", b"application/json")
        return body
