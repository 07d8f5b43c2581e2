"""How control reaches its vaults: a treq client over persistent connections, and bodies both ways."""

from contextvars import ContextVar
from typing import Any

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionDone, DNSLookupError
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from glitchgrid.errors import VaultAnswerInvalid
from glitchgrid.shortcuts import NO_COOKIES, BytesProducer
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.value import BODY_BYTES_MAX
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.names import NameEndpoint

IN_FLIGHT_MAX = 100
"""Requests to one vault at one time, so connections to it too. More wait, within their deadlines."""

CACHED_CONNECTION_S = 30
"""How long an unused connection is kept: shorter than a vault keeps it, so that the vault never closes first."""

CONNECTION_ERRORS = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    CancelledError,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
"""What a request fails with when there was no whole answer."""


def connection_broke(failure: Failure) -> bool:
    """Was there a connection, and did its other end or the network end it before there was a whole answer?"""
    reasons: list[Failure] = getattr(failure.value, "reasons", [])
    return failure.check(ConnectionClosed) is not None or any(map(connection_broke, reasons))


_lost_by: ContextVar[Failure | None] = ContextVar("_lost_by", default=None)
"""While a connection is lost: what has ended it."""


@implementer(IStreamClientEndpoint)
class _TellingEndpoint:
    """Connects to a vault, without a line in the log, and tells what ends the connection.

    Twisted takes an answer without a length for whole whenever its connection ends, be it cut in the middle.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        factory.noisy = False
        return self._endpoint.connect(factory).addCallback(_telling_its_end)


def _telling_its_end(protocol: Any) -> Any:
    tell = protocol.connectionLost

    def connection_lost(reason: Failure = connectionDone) -> None:
        del protocol.connectionLost  # else the two would keep each other in memory
        before = _lost_by.set(reason)
        try:
            tell(reason)
        finally:
            _lost_by.reset(before)

    protocol.connectionLost = connection_lost
    return protocol


@implementer(IAgentEndpointFactory)
class VaultEndpoint:
    """Connects to one vault, whatever the URL says: IP literals straight, names by the resolver.

    A URL is no place for the address: treq refuses those with an IPv6 literal.
    """

    def __init__(self, reactor: Any, address: VaultAddress, timeout_s: float, tls: ClientTLS | None = None) -> None:
        endpoint = _endpoint(reactor, address, timeout_s)
        if tls is not None:
            endpoint = tls.endpoint(address.host, endpoint, reactor)
        self._endpoint = _TellingEndpoint(endpoint)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self._endpoint


def _endpoint(reactor: Any, address: VaultAddress, timeout_s: float) -> IStreamClientEndpoint:
    host, port = address.host, address.port
    if not address.is_ip_literal:
        return NameEndpoint(reactor, host, port, timeout_s)
    endpoint = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
    return endpoint(reactor, host, port, timeout=timeout_s)


class _BoundedBody(Protocol):
    """Collects an answer's body, up to a limit. Whatever ends it early closes the connection.

    :param version: of HTTP, as its answer has it.
    """

    def __init__(self, version: tuple[Any, ...], bytes_max: int) -> None:
        self._version = version
        self._bytes_max = bytes_max
        self.done: Deferred[bytes] = Deferred(lambda _: self._give_up(CancelledError()))
        self._body = b""

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        self._body += data
        if len(self._body) > self._bytes_max:
            self._give_up(VaultAnswerInvalid("its body is too long"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(self._body)
        elif reason.check(PotentialDataLoss):
            self._end_with_its_connection()
        else:
            self.done.errback(reason)

    def _end_with_its_connection(self) -> None:
        """Nothing else has told where it ends. The original vaults, which speak HTTP/1.0, send such answers."""
        cut = _lost_by.get()
        if cut is not None and not cut.check(ConnectionDone):
            self.done.errback(cut)
        elif self._version[1:] != (1, 0):
            self.done.errback(VaultAnswerInvalid("nothing tells where its body ends"))
        else:
            self.done.callback(self._body)

    def _give_up(self, error: Exception) -> None:
        # The error comes first: once the connection is closed, an answer without a Content-Length looks complete, and
        # half of a number is a number, too.
        self.done.errback(error)
        if self.transport is not None:
            self.transport.loseConnection()


def read_body(response: IResponse, bytes_max: int = BODY_BYTES_MAX) -> Deferred[bytes]:
    """An answer's body; cancelling this closes the connection.

    :raises VaultAnswerInvalid: (in the Deferred) when it is longer than `bytes_max`, or when nothing tells
        where it ends: from HTTP/1.1 on a server says that (RFC 9112, section 6.3).
    """
    body = _BoundedBody(response.version, bytes_max)
    response.deliverBody(body)
    return body.done


@frozen
class VaultHTTP:
    """The ways to one vault: over kept connections, and over one that nobody has used before."""

    pooled: HTTPClient
    fresh: HTTPClient
    pool: HTTPConnectionPool

    def close(self) -> Deferred[None]:
        closed: Deferred[None] = self.pool.closeCachedConnections()
        return closed


def vault_http(reactor: Any, address: VaultAddress, timeout_s: float, tls: ClientTLS | None = None) -> VaultHTTP:
    """Clients for one vault, to be closed at the end.

    :param tls: how it is asked by TLS; None to ask it without.
    :raises BadAddress: where no certificate can have its name.
    """
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = IN_FLIGHT_MAX
    pool.cachedConnectionTimeout = CACHED_CONNECTION_S
    # `Exchange` repeats questions itself. If Twisted did so, too (for GETs alone), one could be asked three times.
    pool.retryAutomatically = False
    endpoint = VaultEndpoint(reactor, address, timeout_s, tls)

    def client(pool: HTTPConnectionPool | None) -> HTTPClient:
        agent = Agent.usingEndpointFactory(reactor, endpoint, pool)
        return HTTPClient(agent, NO_COOKIES, BytesProducer)

    return VaultHTTP(client(pool), client(None), pool)
