"""``GET /metrics``: what a server counts, in Prometheus's text form or OpenMetrics's, whichever is asked for."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Protocol

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.web.iweb import IRequest

from glitchgrid import __version__
from glitchgrid.http.face import respond

TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


class Source(Protocol):
    """What tells of one part of a server."""

    def collect(self) -> Iterable[Metric]:
        """Its metrics, as they are now."""


class Build:
    """What runs."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("glitchgrid_build", "What runs.", value={"version": __version__})


class Metrics:
    """All that a server tells.

    :param sources: of this kind of server.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    @cached_property
    def _registry(self) -> CollectorRegistry:
        """Made when it is first asked for: a part of it looks around in /proc."""
        registry = CollectorRegistry(auto_describe=False)
        for source in (*self._sources, Build()):
            registry.register(_Collector(source))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return registry

    def answer(self, request: IRequest) -> bytes:
        """For a route to return."""
        encode, kind = choose_encoder(_form(request.getHeader(b"Accept") or b""))
        body = respond(request, encode(self._registry))
        request.setHeader(b"Content-Type", kind.encode("ascii"))
        return body


def _form(accept: bytes) -> str:
    """Which form is asked for, as `prometheus_client` knows it.

    What the client has sent is not handed on: there, versions that are no numbers raise, and others come back.
    """
    return OPENMETRICS if b"application/openmetrics-text" in accept.lower() else TEXT


class _Collector(Collector):
    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        return self._source.collect()
