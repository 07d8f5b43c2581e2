"""The client's end: whom it believes, what it shows, and endpoints that speak TLS."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from zope.interface import implementer

from glitchgrid.errors import BadAddress
from glitchgrid.tls.contexts import settings, trust, usable
from glitchgrid.tls.files import Ending, OptionFile, ending, read_certificates, read_identity


class ClientTLS:
    """Whom a client believes, and what it shows.

    :param authority: the file of those that servers' certificates have to come from.
    :param certificate: and its key: shown to servers that ask; None for nothing.
    :raises BadCertificateFile: where a file can't be used.
    """

    what = "the certificates for vaults"

    def __init__(
        self, authority: OptionFile, certificate: OptionFile | None = None, key: OptionFile | None = None
    ) -> None:
        self._authority = authority
        self._certificate = certificate
        self._key = key
        self.read()

    def read(self) -> None:
        """Take what the files have, for connections that begin from now on.

        :raises BadCertificateFile: where one can't be used: then what was read before still holds.
        """
        identity, endings = None, []
        if self._certificate is not None and self._key is not None:
            identity = read_identity(self._certificate, self._key)
            endings = [ending(self._certificate, identity.certificate)]
        authorities = read_certificates(self._authority)
        endings += [ending(self._authority, each) for each in authorities]
        trusted = trust(authorities)
        usable(identity, trusted, self._certificate or self._authority)
        self._trusted, self._identity = trusted, identity
        self.endings: Sequence[Ending] = endings
        self._made: dict[str, Any] = {}

    def connections_to(self, name: str) -> Any:
        """Twisted's options for connections to a server whose certificate has this name or address.

        :raises BadAddress: where no certificate can have this name.
        """
        if name not in self._made:
            try:
                self._made[name] = optionsForClientTLS(
                    name.removesuffix("."), self._trusted, extraCertificateOptions=settings(self._identity)
                )
            except ValueError as error:  # idna's errors are such
                raise BadAddress(f"no certificate can be for {name!r}: {error}") from error
        return self._made[name]

    def endpoint(self, name: str, endpoint: IStreamClientEndpoint, clock: IReactorTime) -> IStreamClientEndpoint:
        """The same endpoint, with TLS.

        :raises BadAddress: where no certificate can have this name.
        """
        self.connections_to(name)
        return wrapClientTLS(_ConnectionsTo(self, name), endpoint, clock)


@implementer(IOpenSSLClientConnectionCreator)
class _ConnectionsTo:
    """Connections to one server, each by what was read last."""

    def __init__(self, tls: ClientTLS, name: str) -> None:
        self._tls = tls
        self._name = name

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        return self._tls.connections_to(self._name).clientConnectionForTLS(protocol)
