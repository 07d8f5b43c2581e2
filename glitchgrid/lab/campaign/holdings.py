"""What a server holds that it must give back: sockets, timers and threads, and what its own objects keep."""

from collections.abc import Iterator
from typing import Any

from twisted.application.service import IService

from glitchgrid.control import ControlService
from glitchgrid.register.atomic import AtomicRegister
from glitchgrid.simulation.process import Process
from glitchgrid.vault import VaultService

LISTENING = 1
"""One server, one port."""

FILES = 1
"""The value's."""


def too_many(process: Process, service: IService, connections: int | None = 0) -> list[str]:
    """What is more than a server has that nobody asks for anything, in words.

    :param connections: how many may be open; None for any number. Each may have one timer.
    """
    held = process.held
    allowed = held.connections if connections is None else connections
    counts = [
        ("connections", held.connections, allowed),
        ("listening sockets", held.listening, LISTENING),
        ("timers", held.timers, allowed),
        ("threads", held.threads, 0),
        ("open files", held.files, FILES),
        *((name, count, 0) for name, count in _own(service)),
    ]
    return [f"{count} {name}" for name, count, most in counts if count > most]


# What the servers keep for themselves is asked of their objects: no wire shows it.


def _own(service: Any) -> Iterator[tuple[str, int]]:
    if isinstance(service, VaultService):
        yield from _of_store(service.store)
    elif isinstance(service, ControlService) and isinstance(service.register, AtomicRegister):
        yield from _of_register(service.register)


def _of_store(store: Any) -> Iterator[tuple[str, int]]:
    yield "waiting stores", len(store._waiting)
    yield "syncs", int(store._syncing)


def _of_register(register: Any) -> Iterator[tuple[str, int]]:
    coordinator = register._coordinator
    lines = [line for vault in coordinator._vaults for line in (vault.stores, vault.reads)]
    yield "waiting operations", register._waiting
    yield "deadlines", len(register._deadlines)
    yield "rounds that listen", len(register._asked)
    yield "rounds at vaults", sum(len(line.pending) + len(line.carried) for line in lines)
    yield "vaults that rest", sum(line.resting for line in lines)
    yield "reads that heal", len(coordinator._healing)
    yield "parked rounds", int(coordinator._parked is not None)
