"""What both ends of a connection have in common: OpenSSL's settings, made from what was read.

TLS 1.2 at least, no compression, no tickets: Twisted's settings for both ends, and a minimum of ours.
"""

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from OpenSSL.crypto import X509
from OpenSSL.SSL import Error
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates

from glitchgrid.tls.files import Identity, OptionFile


def settings(identity: Identity | None) -> dict[str, Any]:
    """Arguments of Twisted's CertificateOptions."""
    least = {"raiseMinimumTo": TLSVersion.TLSv1_2}
    if identity is None:
        return least
    return least | {
        "privateKey": identity.key,
        "certificate": identity.certificate,
        "extraCertChain": list(identity.between),
    }


def usable(identity: Identity | None, trusted: Any, file: OptionFile) -> CertificateOptions:
    """Settings that OpenSSL has taken: now, and not when the first connection comes.

    :param trusted: from `trust`; None to look at no certificate of the other end.
    :param file: is named where it has not.
    :raises BadCertificateFile: for what OpenSSL refuses, such as a key that is too short.
    """
    options = CertificateOptions(trustRoot=trusted, **settings(identity))
    try:
        options.getContext()
    except Error as error:
        reasons = [each[-1] for each in error.args[0]] if error.args else []
        raise file.bad(f"OpenSSL does not take it: {', '.join(reasons) or 'it does not say why'}") from error
    return options


def trust(authorities: Sequence[x509.Certificate]) -> Any:
    """These authorities, and no others."""
    return trustRootFromCertificates([Certificate(X509.from_cryptography(each)) for each in authorities])
