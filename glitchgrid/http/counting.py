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


TOGETHER = 256
"""So many durations are counted at once."""


class Tally:
    """Of requests that are alike: how many, and how long those of their route took.

    How long each took is put on a list, and counted with others later: for one that costs a tenth of a microsecond.
    """

    __slots__ = ("_counted", "_durations", "took_s")

    def __init__(self, durations: Distribution) -> None:
        self.took_s: list[float] = []
        self._counted = 0
        self._durations = durations

    @property
    def count(self) -> int:
        return self._counted + len(self.took_s)

    def settle(self) -> None:
        """Count those that are on the list."""
        self._counted += len(self.took_s)
        self._durations.observe_all(self.took_s)
        self.took_s.clear()


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
        self._tallies: dict[tuple[str, str, int], Tally] = {}
        self._known: dict[tuple[bytes, bytes, int], Tally] = {}
        """By what a request says itself, for routes and methods that there are: a request is counted in one look."""
        self._durations: defaultdict[str, Distribution] = defaultdict(lambda: Distribution(DURATIONS_S))
        self._refused: Counter[int] = Counter()
        self.turned_away = 0
        self.waited = 0
        self.connections: Callable[[], int] = lambda: 0

    def answered(self, request: Any) -> None:
        """A request has had its answer."""
        tally = self._known.get((request.path, request.method, request.code)) or self._tally_of(request)
        took_s = tally.took_s
        took_s.append(self._clock.seconds() - request.begun_s)
        if len(took_s) >= TOGETHER:
            tally.settle()

    def _tally_of(self, request: Any) -> Tally:
        route, method = self._routes.get(request.path, OTHER), METHODS.get(request.method, OTHER)
        labels = (route, method, request.code)
        tally = self._tallies.get(labels)
        if tally is None:
            tally = self._tallies[labels] = Tally(self._durations[route])
        if OTHER not in labels:
            self._known[request.path, request.method, request.code] = tally
        return tally

    def full(self) -> None:
        """There are no more descriptors: connections wait."""
        self.waited += 1

    def refused(self, status: int) -> None:
        """A client was answered out of turn."""
        self._refused[status] += 1

    def collect(self) -> Iterator[Metric]:
        for tally in self._tallies.values():
            tally.settle()
        answered: Counter[tuple[str, ...]] = Counter()
        for (route, method, status), tally in self._tallies.items():
            answered[route, method, str(status)] = tally.count
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
        for (route, _, status), tally in self._tallies.items():
            if status in LIMITS and route == "/":
                hit[LIMITS[status],] += tally.count
        return hit
