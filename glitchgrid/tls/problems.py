"""Why there is no TLS connection, or why it may be that it was wanted, in words for whoever runs the grid."""

from OpenSSL.SSL import Error
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone

_WORDS = {
    "certificate verify failed": "its certificate does not come from our authority, or has ended",
    "wrong version number": "it does not speak TLS",
    "packet length too long": "it does not speak TLS",
    "http request": "it was asked without TLS",
    "unsupported protocol": "it speaks only versions of TLS before 1.2",
    "no shared cipher": "the two know no cipher in common",
    "tlsv1 alert protocol version": "it does not take our version of TLS",
    "tlsv13 alert certificate required": "it wants a client's certificate",
    "ssl/tls alert certificate unknown": "it does not take our certificate",
    "ssl/tls alert bad certificate": "it does not take our certificate",
    "ssl/tls alert certificate expired": "our certificate has ended",
    "ssl/tls alert handshake failure": "it wants a client's certificate, or knows no cipher of ours",
    "tlsv1 alert unknown ca": "it does not know the authority of our certificate",
    "sslv3 alert certificate unknown": "it does not take our certificate",
    "sslv3 alert bad certificate": "it does not take our certificate",
    "sslv3 alert certificate expired": "our certificate has ended",
    "sslv3 alert handshake failure": "it wants a client's certificate, or knows no cipher of ours",
}
"""OpenSSL's reasons, as they are called in its error tables (include/openssl/sslerr.h)."""


def in_words(error: BaseException | None) -> str | None:
    """What an error means that TLS may have to do with; None for any other one."""
    if isinstance(error, VerificationError):
        wanted = ", ".join(_name(each.mismatched_id) for each in error.errors)
        return f"TLS: its certificate is not for {wanted}"
    if isinstance(error, ConnectionDone):
        return "it closed the connection without an answer; does it want TLS?"
    if not isinstance(error, Error):
        return None
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reason = queue[-1][-1] if queue else ""
    return f"TLS: {_WORDS.get(reason.lower(), reason or 'the connection broke')}"


def _name(identity: object) -> str:
    """Of the identity that was looked for in vain: service_identity has a class for each kind, with one field."""
    for field in ("hostname", "ip"):
        value = getattr(identity, field, None)
        if value is not None:
            return value.decode("ascii") if isinstance(value, bytes) else str(value)
    return str(identity)
