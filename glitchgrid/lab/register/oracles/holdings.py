"""What a server holds that it must give back: sockets, timers and threads, and what its own objects keep."""

from collections.abc import Iterator

from twisted.application.service import IService

from glitchgrid.control import ControlService
from glitchgrid.lab.place.inside import seen_by
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.vault import VaultService

LISTENING = 1
"""One server, one port."""

OF_VAULT = {"threads": 1, "open files": 3, "timers": 1}
"""The one in which it stores; its data directory, the lock in it, and the value; when it asks its peers again."""


def too_many(machine: Machine, service: IService, connections: int | None = 0) -> list[str]:
    """What the server on a machine holds beyond what an idle server holds, in words.

    :param connections: how many may be open; None for any number. Each may have one timer.
    """
    running = machine.process
    assert running is not None, "a server runs there"
    held = running.held
    allowed = held.connections if connections is None else connections
    of_it = OF_VAULT if isinstance(service, VaultService) else {}
    counts = [
        ("connections", held.connections, allowed),
        ("listening sockets", held.listening, LISTENING),
        ("timers", timers(machine), allowed + of_it.get("timers", 0)),
        ("threads", held.threads, of_it.get("threads", 0)),
        ("open files", held.files, of_it.get("open files", 0)),
        *((name, count, 0) for name, count in _own(service)),
    ]
    return [f"{count} {name}" for name, count, most in counts if count > most]


def timers(machine: Machine) -> int:
    """How many calls the reactors on a machine have before them."""
    count = 0
    for process in machine.processes:
        with seen_by(process) as reactor:
            count += sum(call.active() for call in reactor.getDelayedCalls())
    return count


def _own(service: object) -> Iterator[tuple[str, int]]:
    """What the server's own objects keep, by their `in_progress`."""
    if isinstance(service, VaultService):
        yield from service.store.in_progress().items()
    elif isinstance(service, ControlService):
        yield from service.register.in_progress().items()
