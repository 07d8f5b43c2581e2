"""``glitchgrid certs``: an authority and certificates of its own, to try TLS with."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import trustme
from attrs import frozen

from glitchgrid.commands.ending import GOOD, run_to_its_end
from glitchgrid.commands.files import prepare_directory
from glitchgrid.commands.printing import show
from glitchgrid.errors import BadCertificateFile
from glitchgrid.lab.errors import CannotRun
from glitchgrid.tls.files import OptionFile, read_identity

CLIENT = "client"
"""Who asks: control its vaults, and people control. The name is looked at by nobody."""

_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_NO_LETTER = re.compile(r"[^A-Za-z0-9._-]")


@frozen
class Settings:
    """:ivar names: each is a server's: a name or an address, or several of them with commas between.
    :ivar days: so long the certificates last.
    """

    directory: Path
    names: Sequence[str]
    days: int


def certs(settings: Settings) -> NoReturn:
    """Make what is missing, and say what there is."""

    def work() -> int:
        _must_be_apart(settings.names)
        prepare_directory(settings.directory)
        authority, is_new = _authority(settings.directory)
        ends = datetime.now(UTC) + timedelta(days=settings.days)
        lines = [
            (f"{'made' if is_new else 'kept'} {settings.directory / 'ca.pem'}: the authority, for --tls-client-ca", "")
        ]
        for each in (*settings.names, CLIENT):
            certificate, key = _issue(settings.directory, authority, each, ends)
            option = "client" if each == CLIENT else "tls"
            lines.append((f"made {certificate} and {key.name}: for --{option}-cert and --{option}-key", ""))
        lines += [
            (f"They last until {ends:%Y-%m-%d}. Servers that run take new ones at SIGHUP.", ""),
            (
                f"For trying out: whoever reads {settings.directory / 'ca-key.pem'} can be any server and any client.",
                "yellow",
            ),
        ]
        show(lines)
        return GOOD

    run_to_its_end(work)


def _must_be_apart(names: Sequence[str]) -> None:
    """:raises CannotRun: where a file would be written twice, or in the place of another one."""
    written = {f"{each}{end}" for each in ("ca", CLIENT) for end in ("", "-key")}
    for name in names:
        own = {_stem(name), f"{_stem(name)}-key"}
        if own & written:
            raise CannotRun(
                f"two files would be called {_stem(name)}.pem or {_stem(name)}-key.pem: name {name!r} otherwise"
            )
        written |= own


def _stem(name: str) -> str:
    """What its files are called: the first of its names."""
    return _NO_LETTER.sub("_", name.split(",", maxsplit=1)[0].strip())


def _authority(directory: Path) -> tuple[trustme.CA, bool]:
    """That of the directory, and whether it is new."""
    certificate, key = directory / "ca.pem", directory / "ca-key.pem"
    if not certificate.exists() and not key.exists():
        authority = trustme.CA()
        _write(key, authority.private_key_pem.bytes(), 0o600)
        _write(certificate, authority.cert_pem.bytes(), 0o644)
        return authority, True
    try:
        read_identity(OptionFile("tls-client-ca", str(certificate)), OptionFile("ca-key", str(key)))
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes()), False
    except (BadCertificateFile, OSError) as error:
        raise CannotRun(f"{directory} has an authority that can't be used ({error}); name another directory") from error


def _issue(directory: Path, authority: trustme.CA, name: str, ends: datetime) -> tuple[Path, Path]:
    identities = [each.strip() for each in name.split(",")]
    for each in identities:
        if not _NAME.fullmatch(each):
            raise CannotRun(f"bad name {each!r}: it must be a host's name or an address")
    stem = _stem(name)
    try:
        made = authority.issue_cert(*identities, common_name=identities[0], not_after=ends)
    except ValueError as error:  # idna's errors are such
        raise CannotRun(f"bad name {name!r}: {error}") from error
    certificate, key = directory / f"{stem}.pem", directory / f"{stem}-key.pem"
    _write(key, made.private_key_pem.bytes(), 0o600)
    _write(certificate, b"".join(each.bytes() for each in made.cert_chain_pems), 0o644)
    return certificate, key


def _write(path: Path, data: bytes, mode: int) -> None:
    """All of it or nothing: a server may read it at any time. Nobody else ever reads a key."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}; name another directory") from error
