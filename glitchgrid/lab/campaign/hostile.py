"""Clients that mean no good, as often as they can.

Whatever they are told is not recorded: they ask for nothing. What counts is that the others are served.
"""

from collections import Counter

from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from glitchgrid.lab.campaign.programs import CONTROL_PORT, VAULT_PORT
from glitchgrid.lab.nuisance import NAMES, Nuisance
from glitchgrid.lab.simulation.machine import Machine
from glitchgrid.lab.simulation.process import Process

PAUSE_MS = 100
STAYS_S = 15
"""Longer than a server lets a request take. One whose server has lost its power would wait for ever."""

HOSTILE = "hostile: "
"""What the lines for them begin with, in the table of what was reached."""


class Hostile(Service):
    """One such client, against every server; it begins anew whenever its connection ends.

    :ivar reached: what it has done, counted.
    """

    def __init__(
        self, name: str, process: Process, controls: list[Machine], vaults: list[Machine], reached: "Counter[str]"
    ) -> None:
        self.reactor = process.reactor
        self.reached = reached
        self._draws = process.world.draws(f"hostile {name}")
        self._servers = [(machine, CONTROL_PORT) for machine in controls]
        self._servers += [(machine, VAULT_PORT) for machine in vaults]

    def startService(self) -> None:
        super().startService()
        self.again()

    def again(self) -> None:
        self.reactor.callLater(self._draws.rarely_long(PAUSE_MS) / 1000, self._attack)

    def _attack(self) -> None:
        machine, port = self._draws.pick(self._servers)
        endpoint = TCP4ClientEndpoint(self.reactor, machine.address, port, timeout=1)
        kind = self._draws.pick(NAMES)
        connecting = connectProtocol(endpoint, Nuisance(self.reactor, kind, STAYS_S))
        connecting.addCallbacks(self._connected, self._failed, (kind,))

    def _connected(self, nuisance: Nuisance, kind: str) -> None:
        self.reached[HOSTILE + kind] += 1
        nuisance.gone.addCallback(lambda _: self.again())

    def _failed(self, failure: Failure) -> None:
        failure.trap(ConnectError)
        self.again()
