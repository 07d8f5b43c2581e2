"""Certificates and keys, read from PEM files (RFC 7468), with errors that name the option and the file.

Keys that everybody can read are refused, as are those that want a password: nobody is there to type it.
"""

import os
import stat
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from glitchgrid.errors import BadCertificateFile

FILE_BYTES_MAX = 1024 * 1024
"""A bundle of a distribution's authorities has a quarter of that."""


@frozen
class OptionFile:
    """A file, and the option that names it."""

    option: str
    path: str

    def bad(self, problem: str) -> BadCertificateFile:
        return BadCertificateFile(self.option, self.path, problem)


@frozen
class Identity:
    """A certificate, those between it and its authority, and its key."""

    certificate: x509.Certificate
    between: Sequence[x509.Certificate]
    key: Any


@frozen
class Ending:
    """When a certificate ends, and whose it is.

    :ivar ends: in UTC.
    """

    option: str
    path: str
    names: Sequence[str]
    ends: datetime


def read_certificates(file: OptionFile) -> list[x509.Certificate]:
    """All the certificates of a file, in its order.

    :raises BadCertificateFile: where there is none, or one that can't be read.
    """
    data = _data(file)
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise file.bad("it has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise file.bad("a certificate in it is damaged") from None


def read_identity(certificate: OptionFile, key: OptionFile) -> Identity:
    """A certificate with its key: the file's first one is its own, further ones lead to its authority.

    :raises BadCertificateFile: where a file can't be used, or the two do not belong together.
    """
    own, *between = read_certificates(certificate)
    private = _read_key(key)
    if _public(private.public_key()) != _public(own.public_key()):
        raise key.bad(f"it is not the key of the certificate in {certificate.path}")
    return Identity(own, between, private)


def ending(file: OptionFile, certificate: x509.Certificate) -> Ending:
    return Ending(file.option, file.path, names(certificate), certificate.not_valid_after_utc)


def names(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a certificate is for; its subject's where it has none of them."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        subject = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(each.value) for each in subject]
    return [str(each.value) for each in alternatives if isinstance(each, x509.DNSName | x509.IPAddress)]


def _read_key(file: OptionFile) -> Any:
    data = _data(file, is_secret=True)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise file.bad("it wants a password, and there is nobody to give one: store it without") from None
    except UnsupportedAlgorithm:
        raise file.bad("its key is of a kind that is not known here") from None
    except ValueError:
        raise file.bad("it has no key in PEM form (-----BEGIN PRIVATE KEY-----)") from None


def _data(file: OptionFile, *, is_secret: bool = False) -> bytes:
    try:
        with open(file.path, "rb") as stream:
            if is_secret and os.fstat(stream.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise file.bad(f"everybody can read it: chmod o-rw {file.path}")
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise file.bad(error.strerror or str(error)) from error
    if len(data) > FILE_BYTES_MAX:
        raise file.bad(f"it is larger than {FILE_BYTES_MAX // 1024} KiB")
    return data


def _public(key: Any) -> bytes:
    public: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public
