"""What both ends of a connection have in common: OpenSSL's settings, made from what was read.

TLS 1.2 at least, no compression, no tickets: Twisted's settings for both ends, and a minimum of ours.
"""

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from OpenSSL.crypto import X509
from twisted.internet.ssl import Certificate, TLSVersion, trustRootFromCertificates

from glitchgrid.tls.files import Identity


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


def trust(authorities: Sequence[x509.Certificate]) -> Any:
    """These authorities, and no others."""
    return trustRootFromCertificates([Certificate(X509.from_cryptography(each)) for each in authorities])
