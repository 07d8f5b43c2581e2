"""``twistd vault``: its options, and the service they make."""

import secrets

from twisted.application.service import IService
from twisted.python import usage

from glitchgrid.errors import BadAddress
from glitchgrid.peers.options import Peers
from glitchgrid.storage.disk import LocalDisk
from glitchgrid.storage.pool import store_pool
from glitchgrid.tap import AskingOptions, ends_of, in_its_process, server_process
from glitchgrid.vault import vault_service
from glitchgrid.vaults.address import parse_vaults

IDENTITY_BYTES = 16
_FOR_PEERS = ("allow-unlisted", "added", "accept-loss", "vault-token-file", "vault-ca", "client-cert", "client-key")


class Options(AskingOptions):
    synopsis = "[--port PORT | --listen ENDPOINT] --data-dir DIR [--peers HOST:PORT,HOST:PORT,...]"
    longdesc = "One vault of a grid: a server that stores one value durably. It listens on port 8001 by default."
    program = "vault"
    default_port = 8001

    optParameters = [
        ["data-dir", "d", None, "Where the value is kept; made if it is missing, and locked while in use."],
        [
            "peers",
            None,
            None,
            "All vaults of the grid, this one among them: a comma-separated list of HOST:PORT. Then none forgets.",
        ],
        [
            "accept-loss",
            None,
            None,
            "With --peers, when too many vaults are gone for good: go on without. It says which word to give.",
        ],
    ]
    optFlags = [
        ["allow-unlisted", None, "With --peers: take stores from whoever sends no list of vaults, as curl."],
        ["added", None, "With --peers, for a new vault: wait for 'glitchgrid roster change', which adds it to a grid."],
    ]

    peers: Peers

    def postOptions(self) -> None:
        super().postOptions()
        if not self["data-dir"]:
            raise usage.UsageError("--data-dir is missing: say where the vault keeps its value")
        try:
            addresses = () if self["peers"] is None else parse_vaults(self["peers"])
        except BadAddress as error:
            raise usage.UsageError(f"bad --peers: {error}") from None
        if not addresses:
            self._refuse_what_is_for_peers()
        self.read_vaults("peers", addresses)
        self.peers = Peers(
            addresses,
            self.vault_token,
            self.vault_tls,
            bool(self["allow-unlisted"]),
            self["accept-loss"],
            bool(self["added"]),
        )

    def _refuse_what_is_for_peers(self) -> None:
        given = next((name for name in _FOR_PEERS if self[name]), None)
        if given is not None:
            raise usage.UsageError(f"--{given} is for a vault with --peers")


def makeService(options: Options) -> IService:
    process, ends = server_process(options), ends_of(options)
    server = vault_service(
        process.prepare(),
        options.endpoint,
        options["listen"],
        LocalDisk(options["data-dir"]),
        store_pool(),
        lambda: secrets.token_hex(IDENTITY_BYTES),
        process.cannot_start,
        options.report_every_s,
        doors=options.doors(process, ends),
        peers=options.peers,
    )
    options.present_again(process, server.membership.present)
    return in_its_process(process, server, ends, options)
