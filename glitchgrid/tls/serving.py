"""The server's end: an endpoint that speaks TLS, with a certificate that can be exchanged while it serves."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer, providedBy

from glitchgrid.atonce import unsent
from glitchgrid.tls.contexts import trust, usable
from glitchgrid.tls.files import Ending, OptionFile, ending, read_certificates, read_identity

HANDSHAKE_TIMEOUT_S = 10.0
"""A connection on which TLS has not begun to work after so long is cut. A request may take as long, too."""

CLOSE_TIMEOUT_S = 2.0
"""How long the other end may take to agree that a connection ends."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """What a server shows, and whom it lets in.

    :param client_ca: the authorities of clients; None where clients need no certificate.
    :raises BadCertificateFile: where a file can't be used.
    """

    what = "the server's certificates"

    def __init__(self, certificate: OptionFile, key: OptionFile, client_ca: OptionFile | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self.read()

    def read(self) -> None:
        """Take what the files have, for connections that begin from now on.

        :raises BadCertificateFile: where one can't be used: then what was read before still holds.
        """
        identity = read_identity(self._certificate, self._key)
        endings = [ending(self._certificate, identity.certificate)]
        trusted = None
        if self._client_ca is not None:
            authorities = read_certificates(self._client_ca)
            endings += [ending(self._client_ca, each) for each in authorities]
            trusted = trust(authorities)
        self._options: Any = usable(identity, trusted, self._certificate)
        self.endings: Sequence[Ending] = endings

    @property
    def asks_for_certificates(self) -> bool:
        return self._client_ca is not None

    def serverConnectionForTLS(self, protocol: Any) -> Any:
        return self._options.serverConnectionForTLS(protocol)

    def endpoint(self, endpoint: IStreamServerEndpoint, clock: IReactorTime) -> IStreamServerEndpoint:
        """The same endpoint, with TLS."""
        return _SecureEndpoint(endpoint, self, clock)


@implementer(IStreamServerEndpoint)
class _SecureEndpoint:
    def __init__(self, endpoint: IStreamServerEndpoint, tls: ServerTLS, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._clock = clock

    def listen(self, factory: Any) -> Deferred[Any]:
        return self._endpoint.listen(_SecureFactory(self._tls, factory, self._clock))


class _SendingAtOnce:
    """A transport that gives bytes to the kernel at once, as `glitchgrid.http.sending` does where there is no TLS.

    Everything that TLS sends passes here, so nothing can overtake what is left to the transport.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._at_once = isinstance(transport, FileDescriptor)
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._at_once and self._transport.connected:
            data = unsent(self._transport, data)
            if not data:
                return
            self._at_once = False
        self._transport.write(data)


class _SecureConnection(TLSMemoryBIOProtocol):
    """One client's, with deadlines for its beginning and its end. Twisted has neither.

    Answers are written in one piece each, so there is nothing to be gained by gathering them until the next turn, which
    is what Twisted's usual class does.
    """

    factory: "_SecureFactory"
    _watch: IDelayedCall | None = None
    _is_lost = False

    def makeConnection(self, transport: Any) -> None:
        self._watch = self.factory.clock.callLater(HANDSHAKE_TIMEOUT_S, self._see_whether_it_works)
        super().makeConnection(_SendingAtOnce(transport))

    def _see_whether_it_works(self) -> None:
        self._watch = None
        if self.getHandle().get_peer_finished() is None:  # the client's last word of the handshake
            self.abortConnection()

    def loseConnection(self) -> None:
        super().loseConnection()
        self._stop_watching()
        if not self._is_lost:
            self._watch = self.factory.clock.callLater(CLOSE_TIMEOUT_S, self._cut)

    def loseWriteConnection(self) -> None:
        """To close the sending side is what TLS does first when it closes: the client may go on until it agrees."""
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_lost = True
        self._stop_watching()
        super().connectionLost(reason)

    def _cut(self) -> None:
        self._watch = None
        self.abortConnection()

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()


class _SecureFactory(TLSMemoryBIOFactory):
    protocol = _SecureConnection

    def __init__(self, tls: ServerTLS, wrapped: Any, clock: IReactorTime) -> None:
        super().__init__(tls, isClient=False, wrappedFactory=wrapped, clock=clock)
        self.clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Any:
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else self.protocol(self, inner)
