"""Certificates for tests, good ones and bad ones."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

DAY = timedelta(days=1)


class Authority:
    """An authority with its files in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._ca = trustme.CA()
        self.file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, stem: str, *names: str, days: float = 30) -> tuple[Path, Path]:
        """A certificate and its key, for `names`. It ends in `days`; where that is past, it began before."""
        ends = datetime.now(UTC) + days * DAY
        made = self._ca.issue_cert(*names, not_before=min(ends, datetime.now(UTC)) - 10 * DAY, not_after=ends)
        return self._keep(stem, made)

    def through_another(self, stem: str, *names: str) -> tuple[Path, Path]:
        """A certificate that an authority between this one and it has signed; its file has that one's, too."""
        return self._keep(stem, self._ca.create_child_ca().issue_cert(*names))

    def _keep(self, stem: str, made: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{stem}.pem", self.directory / f"{stem}-key.pem"
        certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        key.touch(mode=0o600)
        made.private_key_pem.write_to_path(str(key))
        return certificate, key

    def client(self, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """How a client asks that believes this authority, and shows a certificate where it has one."""
        context = ssl.create_default_context(cafile=str(self.file))
        if own is not None:
            context.load_cert_chain(*map(str, own))
        return context
