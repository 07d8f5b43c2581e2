"""``twistd control``: its options, and the service they make."""

from collections.abc import Sequence

from antithesis.lifecycle import setup_complete
from twisted.application.service import IService
from twisted.python import usage

from glitchgrid.control import control_service
from glitchgrid.errors import BadAddress
from glitchgrid.register import DEFAULT_PROTOCOL, PROTOCOLS
from glitchgrid.register.interface import OPERATION_TIMEOUT_S
from glitchgrid.tap import AskingOptions, ends_of, in_its_process, number, server_process, whole_number
from glitchgrid.value import VALUE_MAX
from glitchgrid.vaults.address import VaultAddress, parse_vaults

VAULT_TIMEOUT_MIN_S = 0.001


class Options(AskingOptions):
    synopsis = "[--port PORT | --listen ENDPOINT] --vaults HOST:PORT,HOST:PORT,..."
    longdesc = "Control: clients talk to it, and it talks to the vaults of a grid. It listens on port 8000 by default."
    program = "control"
    default_port = 8000

    optParameters = [
        ["vaults", "v", None, "The vaults, a comma-separated list of HOST:PORT (for 'glitchgrid' it is their number)."],
        [
            "listed-as",
            None,
            None,
            "How the vaults list themselves (their --peers), where control reaches them by other addresses.",
        ],
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
    listed: Sequence[VaultAddress]
    vault_timeout_s: float
    value_max: int

    def postOptions(self) -> None:
        super().postOptions()
        if self["vaults"] is None:
            raise usage.UsageError("--vaults is missing: list the vaults as HOST:PORT,HOST:PORT,...")
        try:
            self.vaults = parse_vaults(self["vaults"])
        except BadAddress as error:
            raise usage.UsageError(str(error)) from None
        self.listed = () if self["listed-as"] is None else self._listed_as(self["listed-as"])
        if self["protocol"] not in PROTOCOLS:
            raise usage.UsageError(f"unknown --protocol {self['protocol']!r}: there is {', '.join(sorted(PROTOCOLS))}")
        self.read_vaults("vaults", self.vaults)
        self.vault_timeout_s = number(self, "vault-timeout", VAULT_TIMEOUT_MIN_S, OPERATION_TIMEOUT_S)
        self.value_max = whole_number(self, "value-max", 1, VALUE_MAX)

    def _listed_as(self, text: str) -> Sequence[VaultAddress]:
        try:
            listed = parse_vaults(text)
        except BadAddress as error:
            raise usage.UsageError(f"bad --listed-as: {error}") from None
        if len(listed) != len(self.vaults):
            raise usage.UsageError(
                f"bad --listed-as: it has {len(listed)} addresses, and --vaults {len(self.vaults)}: it takes one each"
            )
        return listed


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
        listed=options.listed,
        doors=options.doors(process, ends),
    )
    options.present_again(process, server.present)
    return in_its_process(process, server, ends, options)
