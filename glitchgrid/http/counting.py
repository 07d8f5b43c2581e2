"""What a face counts: its requests, how long they took, its connections, and the limits that were hit."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime

from glitchgrid.measures import DURATIONS_S, Distribution, counter, gauge, histogram

OTHER = "other"
"""The route of what has none, and the method of what nobody knows: clients must not make labels."""

METHODS = {each: each.decode("ascii") for each in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")}

LIMITS = {408: "request_time", 413: "body", 503: "waiting"}
"""What a status says of the limit that was hit."""


class FaceCounts:
    """What a face counts, for all of its connections.

    :param routes: the paths that there are.
    :ivar connections: tells how many are open.
    :ivar turned_away: how many were, because too many were open.
    :ivar waited: how often connections had to wait, because there were no more descriptors.
    """

    def __init__(self, routes: Iterable[str], clock: IReactorTime) -> None:
        self._routes = {path.encode("ascii"): path for path in routes}
        self._clock = clock
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._durations: defaultdict[str, Distribution] = defaultdict(lambda: Distribution(DURATIONS_S))
        self._refused: Counter[int] = Counter()
        self.turned_away = 0
        self.waited = 0
        self.connections: Callable[[], int] = lambda: 0

    def answered(self, request: Any) -> None:
        """A request has had its answer."""
        route = self._routes.get(request.path, OTHER)
        self._answered[route, METHODS.get(request.method, OTHER), request.code] += 1
        self._durations[route].observe(self._clock.seconds() - request.begun_s)

    def full(self) -> None:
        """There are no more descriptors: connections wait."""
        self.waited += 1

    def refused(self, status: int) -> None:
        """A client was answered out of turn."""
        self._refused[status] += 1

    def collect(self) -> Iterator[Metric]:
        answered: Counter[tuple[str, ...]] = Counter()
        for (route, method, status), number in self._answered.items():
            answered[route, method, str(status)] = number
        text = "Requests that were answered."
        yield counter("glitchgrid_http_requests", text, ("route", "method", "status"), answered)
        durations = [((route,), each) for route, each in sorted(self._durations.items())]
        text = "From a whole request to its answer."
        yield histogram("glitchgrid_http_request_duration_seconds", text, ("route",), durations)
        refused: Counter[tuple[str, ...]] = Counter({(str(each),): number for each, number in self._refused.items()})
        text = "Clients that were answered out of turn, and left: what they sent was no HTTP, too slow, or too much."
        yield counter("glitchgrid_http_refused", text, ("status",), refused)
        yield gauge("glitchgrid_http_connections", "Connections that are open.", self.connections())
        text = "Times that a limit was hit."
        yield counter("glitchgrid_limit_hits", text, ("limit",), self._limits_hit())

    def _limits_hit(self) -> "Counter[tuple[str, ...]]":
        hit: Counter[tuple[str, ...]] = Counter({("connections",): self.turned_away, ("descriptors",): self.waited})
        hit.update({(name,): self._refused[status] for status, name in LIMITS.items()})
        for (route, _, status), number in self._answered.items():
            if status in LIMITS and route == "/":
                hit[LIMITS[status],] += number
        return hit
