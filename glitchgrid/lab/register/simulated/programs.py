"""The product's two programs, for machines of a simulated world: built by what the twistd plugins call, too."""

import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.internet.endpoints import TCP4ServerEndpoint
from zope.interface import implementer

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.control import control_service
from glitchgrid.errors import DataDirectoryInUse, StartError
from glitchgrid.lab.register.layout import CONTROL_PORT, VAULT_PORT
from glitchgrid.observer import Observer
from glitchgrid.simulation.disk import Mount
from glitchgrid.simulation.process import Process, Program
from glitchgrid.storage.disk import IDisk
from glitchgrid.tap import BACKLOG
from glitchgrid.vault import VaultService, vault_service
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.names import ThreadResolver

VAULT_TIMEOUT_S = 1.0
COULD_NOT_START = 1
IDENTITY_DIGITS = 32


@implementer(IDisk)
class SimulatedDisk:
    """A vault's data directory on a machine's disk."""

    path = "/data"

    def __init__(self, mount: Mount) -> None:
        self._mount = mount

    def claim(self) -> None:
        try:
            self._mount.lock()
        except BlockingIOError as error:
            raise DataDirectoryInUse(self.path) from error

    def release(self) -> None:
        self._mount.unlock()

    def open(self, name: str) -> Any:
        return self._mount.open(name)

    def create(self, name: str) -> Any:
        return self._mount.create(name)

    def replace(self, source: str, target: str) -> None:
        self._mount.replace(source, target)

    def fsync_directory(self) -> None:
        self._mount.fsync_directory()


def vault_program(process: Process, cannot_start: Callable[[StartError], object], observer: Observer) -> VaultService:
    """``twistd vault --data-dir /data``"""
    run_on_monotonic_clock(process.reactor)
    identities = process.world.rng(f"identity {process.name}")
    return vault_service(
        process.reactor,
        TCP4ServerEndpoint(process.reactor, VAULT_PORT, BACKLOG),
        f"tcp:{VAULT_PORT}",
        SimulatedDisk(process.machine.disk.mount(process)),
        process.pool(),  # type: ignore[arg-type]
        lambda: "".join(identities.pick("0123456789abcdef") for _ in range(IDENTITY_DIGITS)),
        _leave(process, cannot_start),
        observer=observer,
    )


def control_program(vaults: Callable[[], Sequence[str]], protocol: str, observer: Observer) -> Program:
    """``twistd control --vaults ... --protocol ...``

    :param vaults: gives their names or addresses, when a control starts.
    """

    def program(process: Process) -> IService:
        run_on_monotonic_clock(process.reactor)
        process.reactor.installNameResolver(resolver(process))
        return control_service(
            process.reactor,
            TCP4ServerEndpoint(process.reactor, CONTROL_PORT, BACKLOG),
            f"tcp:{CONTROL_PORT}",
            [VaultAddress(vault, VAULT_PORT) for vault in vaults()],
            protocol,
            VAULT_TIMEOUT_S,
            _leave(process),
            observer=observer,
        )

    return program


def resolver(process: Process) -> ThreadResolver:
    """The product's own, with threads and names of the world."""

    def getaddrinfo(name: str, port: int, type: int) -> list[tuple[Any, ...]]:  # noqa: A002 - as the real one has it
        address = process.look_up(name)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, 0, "", (address, port))]

    return ThreadResolver(
        process.reactor, lambda _, work: process.in_thread(work, lambda _is_well, _result: None), getaddrinfo
    )


def _leave(process: Process, cannot_start: Callable[[StartError], object] = lambda _error: None) -> Any:
    def fatal(error: StartError) -> None:
        cannot_start(error)
        process.world.note(process.name, f"cannot start: {error}")
        process.reactor.callLater(0, process.exit, COULD_NOT_START)

    return fatal
