"""Certificates and keys, read from files: what is refused, and in which words."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from glitchgrid.errors import BadAddress, BadCertificateFile
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tls.files import FILE_BYTES_MAX, OptionFile, names, read_certificates, read_identity
from glitchgrid.tls.serving import ServerTLS
from tests.certificates import Authority


def file(option: str, path: Path) -> OptionFile:
    return OptionFile(option, str(path))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(BadCertificateFile) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    return text


def secret(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def test_a_certificate_with_its_chain_and_its_key(authority: Authority) -> None:
    certificate, key = authority.through_another("own", "vault1", "192.0.2.1")
    identity = read_identity(file("tls-cert", certificate), file("tls-key", key))
    assert names(identity.certificate) == ["vault1", "192.0.2.1"]
    assert len(identity.between) == 1


def test_names_of_one_that_has_none_are_its_subjects() -> None:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    began = datetime(2026, 1, 1, tzinfo=UTC)
    own = x509.CertificateBuilder(subject, subject, key.public_key(), 1, began, began + timedelta(days=1))
    assert names(own.sign(key, SHA256())) == ["old"]
    authority = x509.load_pem_x509_certificate(trustme.CA().cert_pem.bytes())
    assert names(authority) == []


def test_files_of_certificates_that_are_refused(tmp_path: Path, authority: Authority) -> None:
    text = authority.file.read_bytes()
    for name, data, why in (
        ("empty", b"", "it has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"),
        ("damaged", text.replace(text[40:60], b"!" * 20), "a certificate in it is damaged"),
        ("large", text + b"#" * FILE_BYTES_MAX, "it is larger than 1024 KiB"),
    ):
        path = secret(tmp_path / name, data)
        assert refused(partial(read_certificates, file("vault-ca", path))) == f"bad --vault-ca {path}: {why}"
    missing = file("vault-ca", tmp_path / "missing")
    assert refused(lambda: read_certificates(missing)).endswith(": No such file or directory")


def test_keys_that_are_refused(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("own", "vault1")
    private = rsa.generate_private_key(65537, 2048)

    def pem(how: BestAvailableEncryption | NoEncryption) -> bytes:
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    readable = tmp_path / "readable"
    readable.write_bytes(key.read_bytes())
    readable.chmod(0o604)
    for path, why in (
        (
            secret(tmp_path / "locked", pem(BestAvailableEncryption(b"word"))),
            "it wants a password, and there is nobody",
        ),
        (secret(tmp_path / "other", pem(NoEncryption())), f"it is not the key of the certificate in {certificate}"),
        (secret(tmp_path / "none", b"nothing"), "it has no key in PEM form (-----BEGIN PRIVATE KEY-----)"),
        (readable, f"everybody can read it: chmod o-rw {readable}"),
    ):
        text = refused(partial(read_identity, file("tls-cert", certificate), file("tls-key", path)))
        assert text.startswith(f"bad --tls-key {path}: {why}"), text


def test_what_openssl_refuses_is_said_when_it_is_read(tmp_path: Path) -> None:
    """A key that is too short for it: at the start, and not when the first connection comes."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is too short is the point
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "short")])
    good = x509.load_pem_x509_certificate(trustme.CA().cert_pem.bytes())
    made = x509.CertificateBuilder(
        subject, subject, short.public_key(), 1, good.not_valid_before_utc, good.not_valid_after_utc
    )
    certificate = tmp_path / "short.pem"
    certificate.write_bytes(made.sign(short, SHA256()).public_bytes(Encoding.PEM))
    key = secret(tmp_path / "short-key.pem", short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    own, its_key = file("tls-cert", certificate), file("tls-key", key)
    why = f"bad --tls-cert {certificate}: OpenSSL does not take it: ee key too small"
    assert refused(lambda: ServerTLS(own, its_key, None)) == why
    assert refused(lambda: ClientTLS(own, own, its_key)) == why


def test_what_can_not_be_read_again_leaves_what_was(authority: Authority) -> None:
    certificate, key = authority.issue("own", "vault1")
    server = ServerTLS(file("tls-cert", certificate), file("tls-key", key), file("tls-client-ca", authority.file))
    client = ClientTLS(file("vault-ca", authority.file))
    before = server.endings, client.connections_to("vault1")
    os.truncate(authority.file, 10)
    refused(server.read)
    refused(client.read)
    assert (server.endings, client.connections_to("vault1")) == before


def test_names_that_no_certificate_has(authority: Authority) -> None:
    client = ClientTLS(file("vault-ca", authority.file))
    for name in ("vault_1", "-x", "a" * 64):
        with pytest.raises(BadAddress, match=f"no certificate can be for '{name}'"):
            client.connections_to(name)
    for name in ("vault1", "vault-0.vault", "vault1.example.", "192.0.2.1", "2001:db8::1"):
        client.connections_to(name)
