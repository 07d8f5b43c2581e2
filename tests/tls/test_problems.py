"""What TLS errors mean, in words; whatever OpenSSL calls them, and where it has no word."""

from OpenSSL.SSL import Error
from service_identity import VerificationError
from service_identity.exceptions import DNSMismatch, IPAddressMismatch
from service_identity.hazmat import DNS_ID, IPAddress_ID
from twisted.internet.error import ConnectionDone, ConnectionLost

from glitchgrid.tls.problems import in_words


def test_names_that_do_not_fit() -> None:
    for mismatch, name in (
        (DNSMismatch(mismatched_id=DNS_ID("vault1.example")), "vault1.example"),
        (IPAddressMismatch(mismatched_id=IPAddress_ID("192.0.2.1")), "192.0.2.1"),
    ):
        assert in_words(VerificationError(errors=[mismatch])) == f"TLS: its certificate is not for {name}"


def test_openssls_reasons() -> None:
    known = Error([("SSL routines", "", "certificate verify failed")])
    assert in_words(known) == "TLS: its certificate does not come from our authority, or has ended"
    assert in_words(Error([("SSL routines", "", "a new reason")])) == "TLS: a new reason"
    assert in_words(Error([])) == in_words(Error()) == "TLS: the connection broke"


def test_other_errors() -> None:
    assert in_words(ConnectionDone()) == "it closed the connection without an answer; does it want TLS?"
    assert in_words(ConnectionLost()) is None
    assert in_words(ValueError("other")) is None
    assert in_words(None) is None
