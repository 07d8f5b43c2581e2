"""Clients that mean no good, as often as they can: half requests, slow ones, too large ones, and what is no HTTP.

They are answered exactly as the wire's table says where the server that they ask is well, and cost nobody else
anything: the others are judged meanwhile.
"""

from collections import Counter
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.register.oracles.availability import Availability
from glitchgrid.lab.register.oracles.wire import BY_NAME, HOSTILE, Inquiry, Known
from glitchgrid.simulation.kernel.machine import Machine

PAUSE_MS = 100

SENT = "hostile: "
"""What the lines for them begin with, in the table of what was reached."""

JUDGED = "a hostile client's answer was judged"

Know = Callable[[Machine], Known]
"""What the answers of a server depend on."""


class Hostile(Service):
    """One such client, against every server; it begins anew whenever its connection ends, until it `has_enough`.

    :ivar reached: what it has done, counted.
    """

    def __init__(
        self,
        name: str,
        process: Inside,
        servers: dict[Machine, int],
        know: Know,
        availability: Availability,
        reached: "Counter[str]",
    ) -> None:
        self._process = process
        self._reactor = process.reactor
        self._servers = list(servers.items())
        self._know = know
        self._availability = availability
        self._reached = reached
        self._rng = process.world.rng(f"hostile {name}")
        self.has_enough = False

    def startService(self) -> None:
        super().startService()
        self._again()

    def _again(self) -> None:
        if not self.has_enough:
            self._reactor.callLater(self._rng.rarely_long(PAUSE_MS) / 1000, self._attack)

    def _attack(self) -> None:
        if self.has_enough:
            return
        machine, port = self._rng.pick(self._servers)
        row = BY_NAME[self._rng.pick(HOSTILE)]
        inquiry = Inquiry(
            self._reactor,
            lambda: self._process.world.now_ns,
            row,
            self._know(machine),
            lambda inquiry: self._told(inquiry, machine),
        )
        endpoint = TCP4ClientEndpoint(self._reactor, machine.address, port, timeout=1)
        connectProtocol(endpoint, inquiry).addCallbacks(self._connected, self._failed)

    def _connected(self, inquiry: Inquiry) -> None:
        self._reached[SENT + inquiry.row.name] += 1

    def _failed(self, failure: Failure) -> None:
        failure.trap(ConnectError)
        self._again()

    def _told(self, inquiry: Inquiry, machine: Machine) -> None:
        availability = self._availability
        if availability.was_well(machine.name, inquiry.begun_ns):
            self._reached[JUDGED] += 1
            if inquiry.problem is not None:
                availability.find("wire", f"{machine.name} was sent {inquiry.row.name}: {inquiry.problem}")
        self._again()
