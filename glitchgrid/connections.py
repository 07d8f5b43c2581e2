"""How control reaches its vaults: a treq client over persistent connections."""

from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from glitchgrid.address import VaultAddress
from glitchgrid.vaultclient import IN_FLIGHT_MAX, BytesProducer

CACHED_CONNECTION_S = 30
"""How long an unused connection is kept: shorter than a vault keeps it, so that the vault never closes first."""

ATTEMPT_DELAY_S = 0.02
"""Between the addresses of one name. Twisted's own 0.3 s is also what it takes to see a single one refuse."""


@implementer(IStreamClientEndpoint)
class _QuietEndpoint:
    """Connects without a line in the log for every connection."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        factory.noisy = False
        return self._endpoint.connect(factory)


@implementer(IAgentEndpointFactory)
class VaultEndpoint:
    """Connects to one vault, whatever the URL says: IP literals straight, names by the resolver.

    A URL is no place for the address: treq refuses those with an IPv6 literal.
    """

    def __init__(self, reactor: Any, address: VaultAddress, timeout_s: float) -> None:
        self._reactor = reactor
        self._address = address
        self._timeout_s = timeout_s

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return _QuietEndpoint(self._endpoint())

    def _endpoint(self) -> IStreamClientEndpoint:
        host, port = self._address.host, self._address.port
        if not self._address.is_ip_literal:
            return HostnameEndpoint(self._reactor, host, port, timeout=self._timeout_s, attemptDelay=ATTEMPT_DELAY_S)
        endpoint = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        return endpoint(self._reactor, host, port, timeout=self._timeout_s)


def vault_http(reactor: Any, address: VaultAddress, timeout_s: float) -> tuple[HTTPClient, HTTPConnectionPool]:
    """A client for one vault, and its pool, to be closed at the end."""
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = IN_FLIGHT_MAX
    pool.cachedConnectionTimeout = CACHED_CONNECTION_S
    agent = Agent.usingEndpointFactory(reactor, VaultEndpoint(reactor, address, timeout_s), pool)
    return HTTPClient(agent, data_to_body_producer=BytesProducer), pool
