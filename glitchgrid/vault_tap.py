"""``twistd vault``: its options, and the service they make."""

import secrets

from twisted.application.service import IService
from twisted.python import usage

from glitchgrid.storage.disk import LocalDisk
from glitchgrid.storage.pool import store_pool
from glitchgrid.tap import ServerOptions, ends_of, in_its_process, server_process
from glitchgrid.vault import vault_service

IDENTITY_BYTES = 16


class Options(ServerOptions):
    synopsis = "[--port PORT | --listen ENDPOINT] --data-dir DIR"
    longdesc = "One vault of a grid: a server that stores one value durably. It listens on port 8001 by default."
    program = "vault"
    default_port = 8001

    optParameters = [
        ["data-dir", "d", None, "Where the value is kept; made if it is missing, and locked while in use."],
    ]

    def postOptions(self) -> None:
        super().postOptions()
        if not self["data-dir"]:
            raise usage.UsageError("--data-dir is missing: say where the vault keeps its value")


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
    )
    return in_its_process(process, server, ends, options)
