"""What a command shows to a grid that lets not everybody in, and whom it believes."""

import os

from attrs import frozen

from glitchgrid.errors import BadCertificateFile, BadTokenFile
from glitchgrid.lab.errors import CannotRun
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tls.files import OptionFile
from glitchgrid.tokens import first_token


@frozen
class Credentials:
    """:ivar token_file: has the token that is presented; None for none.
    :ivar ca: the authorities that servers' certificates come from; None to ask without TLS.
    :ivar cert: and its key: shown to servers that ask for them; None for none.
    """

    token_file: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def token(self) -> bytes | None:
        """:raises CannotRun: for a file that can't be used."""
        try:
            return None if self.token_file is None else first_token(self.token_file)
        except BadTokenFile as error:
            raise CannotRun(f"bad --token-file {error}") from error

    @property
    def tls(self) -> ClientTLS | None:
        """:raises CannotRun: for a file that can't be used, and for options that lack others."""
        if (self.cert is None) != (self.key is None):
            raise CannotRun("--client-cert and --client-key go together: give both, or none")
        if self.ca is None:
            if self.cert is not None:
                raise CannotRun("--client-cert is for a grid with TLS: give --ca, too")
            return None
        try:
            return ClientTLS(
                _file("ca", self.ca), _optional("client-cert", self.cert), _optional("client-key", self.key)
            )
        except BadCertificateFile as error:
            raise CannotRun(str(error)) from error


def _file(option: str, path: str) -> OptionFile:
    return OptionFile(option, os.path.abspath(path))


def _optional(option: str, path: str | None) -> OptionFile | None:
    return None if path is None else _file(option, path)
