"""``twistd control``: its options, and the service they make."""

from collections.abc import Sequence
from typing import Any

from antithesis.lifecycle import setup_complete
from twisted.application.service import IService
from twisted.python import usage

from glitchgrid.control import control_service
from glitchgrid.errors import BadAddress
from glitchgrid.register import DEFAULT_PROTOCOL, PROTOCOLS
from glitchgrid.register.interface import OPERATION_TIMEOUT_S
from glitchgrid.tap import (
    ServerOptions,
    ends_of,
    file_of,
    in_its_process,
    number,
    pair,
    server_process,
    tls_of,
    tokens_of,
    whole_number,
)
from glitchgrid.tls.asking import ClientTLS
from glitchgrid.tokens import first_token
from glitchgrid.value import VALUE_MAX
from glitchgrid.vaults.address import VaultAddress, parse_vaults

VAULT_TIMEOUT_MIN_S = 0.001


class Options(ServerOptions):
    synopsis = "[--port PORT | --listen ENDPOINT] --vaults HOST:PORT,HOST:PORT,..."
    longdesc = "Control: clients talk to it, and it talks to the vaults of a grid. It listens on port 8000 by default."
    program = "control"
    default_port = 8000

    optParameters = [
        ["vaults", "v", None, "The vaults, a comma-separated list of HOST:PORT (for 'glitchgrid' it is their number)."],
        ["vault-token-file", None, None, "The token that is presented to the vaults; read again on SIGHUP."],
        ["vault-ca", None, None, "Ask the vaults by TLS, and believe certificates of these authorities alone (PEM)."],
        ["client-cert", None, None, "The certificate that is shown to the vaults (PEM); read again on SIGHUP."],
        ["client-key", None, None, "The key of --client-cert (PEM); read again on SIGHUP."],
        ["protocol", None, DEFAULT_PROTOCOL, f"How the vaults are asked: {', '.join(sorted(PROTOCOLS))}."],
        [
            "vault-timeout",
            None,
            "1",
            f"How long one vault may take to answer, in seconds, at most {OPERATION_TIMEOUT_S:g}.",
        ],
        [
            "value-max",
            None,
            str(VALUE_MAX),
            "The largest value that clients may write: one write of the largest there is would end the register.",
        ],
    ]

    vaults: Sequence[VaultAddress]
    vault_timeout_s: float
    value_max: int
    vault_token: bytes | None
    vault_tls: ClientTLS | None

    def postOptions(self) -> None:
        super().postOptions()
        has_token = self["vault-token-file"] is not None
        self.vault_token = tokens_of(self, "vault-token-file", first_token) if has_token else None
        if self["vaults"] is None:
            raise usage.UsageError("--vaults is missing: list the vaults as HOST:PORT,HOST:PORT,...")
        try:
            self.vaults = parse_vaults(self["vaults"])
        except BadAddress as error:
            raise usage.UsageError(str(error)) from None
        if self["protocol"] not in PROTOCOLS:
            raise usage.UsageError(f"unknown --protocol {self['protocol']!r}: there is {', '.join(sorted(PROTOCOLS))}")
        self.vault_tls = self._vault_tls()
        self.vault_timeout_s = number(self, "vault-timeout", VAULT_TIMEOUT_MIN_S, OPERATION_TIMEOUT_S)
        self.value_max = whole_number(self, "value-max", 1, VALUE_MAX)

    @property
    def certificates(self) -> list[Any]:
        return [*super().certificates, *([] if self.vault_tls is None else [self.vault_tls])]

    def _vault_tls(self) -> ClientTLS | None:
        certificate, key = pair(self, "client-cert", "client-key")
        authority = file_of(self, "vault-ca")
        if authority is None:
            if certificate is not None:
                raise usage.UsageError("--client-cert is for vaults with TLS: give --vault-ca, too")
            return None
        tls = tls_of(lambda: ClientTLS(authority, certificate, key))
        try:
            for vault in self.vaults:
                tls.connections_to(vault.host)
        except BadAddress as error:
            raise usage.UsageError(f"bad --vaults for TLS: {error}") from None
        return tls


def makeService(options: Options) -> IService:
    process, ends = server_process(options), ends_of(options)
    server = control_service(
        process.prepare(),
        options.endpoint,
        options["listen"],
        options.vaults,
        options["protocol"],
        options.vault_timeout_s,
        process.cannot_start,
        options.report_every_s,
        options.value_max,
        lambda: setup_complete({"protocol": options["protocol"], "vaults": len(options.vaults)}),
        vault_token=options.vault_token,
        vault_tls=options.vault_tls,
        doors=options.doors(process, ends),
    )
    if options["vault-token-file"] is not None:
        process.rereads["the vaults' tokens"] = lambda: server.present(first_token(options["vault-token-file"]))
    return in_its_process(process, server, ends, options)
