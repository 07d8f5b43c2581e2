"""``GET /livez`` and ``GET /readyz``: named checks, in the form that Kubernetes and etcd have made usual.

Live is a process that a restart would not help: whoever watches it restarts it when it is not. Ready is one that can do
its work now: it is sent requests, or is not. The answer is 200 and ``ok``, or 503 and a line for each check::

    [+]open ok
    [-]disk failed: a sync has failed since the start
    readyz check failed

``?verbose`` gives these lines for 200, too; ``?exclude=NAME``, which may be there several times, leaves a check out.
(Kubernetes API health endpoints; etcd's Monitoring guide. Kubernetes answers 500, etcd 503.)
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from glitchgrid.errors import RequestError
from glitchgrid.http.face import respond

LIVEZ, READYZ = "livez", "readyz"

Fault = str | None
"""What is wrong, in a few words; None where nothing is."""


@frozen
class Check:
    """:ivar name: by which it is left out: letters and hyphens.
    :ivar find: looks, and returns what is wrong. It has a deadline of its own, and may be cancelled.
    """

    name: str
    find: Callable[[], "Deferred[Fault] | Fault"]


PROCESS = Check("process", lambda: None)
"""That there is an answer is the check."""


@frozen
class _Found:
    fault: Fault
    at_s: float


def _query(request: Any) -> dict[str, list[str]]:
    """What stands behind the question mark. Twisted's own parser drops a name without a value, such as "verbose"."""
    return parse_qs(request.uri.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)


class Health:
    """The checks of one server.

    :param clock: says how old a finding is, in the server's status.
    """

    def __init__(self, clock: IReactorTime, live: Sequence[Check], ready: Sequence[Check]) -> None:
        self._clock = clock
        self._checks = {LIVEZ: tuple(live), READYZ: tuple(ready)}
        self._found: dict[str, _Found] = {}

    def answer(self, request: IRequest, endpoint: str) -> Deferred[bytes]:
        """For a route to return: looks whether the server is live, or ready."""
        return Deferred.fromCoroutine(self._answer(request, endpoint))

    async def _answer(self, request: Any, endpoint: str) -> bytes:
        checks = self._checks[endpoint]
        query = _query(request)
        excluded = set(query.get("exclude", ()))
        lines, is_well = [], True
        for check in checks:
            if check.name in excluded:
                lines.append(f"[+]{check.name} excluded: ok")
                continue
            fault = await self._look(check)
            is_well &= fault is None
            lines.append(f"[+]{check.name} ok" if fault is None else f"[-]{check.name} failed: {fault}")
        if is_well and "verbose" not in query:
            return respond(request, "ok")
        unknown = excluded - {check.name for check in checks}
        if unknown:
            lines.append(f"warning: {len(unknown)} of the checks to exclude are not among these")
        lines.append(f"{endpoint} check {'passed' if is_well else 'failed'}")
        return respond(request, "\n".join(lines) + "\n", status=200 if is_well else 503)

    async def _look(self, check: Check) -> Fault:
        try:
            found = check.find()
            fault = await found if isinstance(found, Deferred) else found
        except RequestError as error:
            fault = error.message
        self._found[check.name] = _Found(fault, self._clock.seconds())
        return fault

    def told(self) -> dict[str, Any]:
        """For the status: what was found when somebody asked last. Nothing is looked at for it."""
        return {endpoint: [self._told(check.name) for check in checks] for endpoint, checks in self._checks.items()}

    def _told(self, name: str) -> dict[str, Any]:
        found = self._found.get(name)
        if found is None:
            return {"check": name, "ok": None, "fault": None, "age_s": None}
        age_s = round(self._clock.seconds() - found.at_s, 3)
        return {"check": name, "ok": found.fault is None, "fault": found.fault, "age_s": age_s}
