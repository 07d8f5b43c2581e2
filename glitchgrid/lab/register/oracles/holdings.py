"""What a server holds that it must give back: sockets, timers and threads, and what its own objects keep."""

from collections.abc import Iterator

from twisted.application.service import IService

from glitchgrid.control import ControlService
from glitchgrid.simulation.process import Process
from glitchgrid.vault import VaultService

LISTENING = 1
"""One server, one port."""

FILES = 1
"""The value's."""


def too_many(process: Process, service: IService, connections: int | None = 0) -> list[str]:
    """What a server holds beyond what an idle server holds, in words.

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


def _own(service: object) -> Iterator[tuple[str, int]]:
    """What the server's own objects keep, by their `in_progress`."""
    if isinstance(service, VaultService):
        yield from service.store.in_progress().items()
    elif isinstance(service, ControlService):
        yield from service.register.in_progress().items()
