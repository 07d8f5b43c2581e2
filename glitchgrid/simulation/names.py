"""What names lead to, for whoever asks: as a name server has it, which may be slow, silent or wrong.

Names are looked up in threads, as `getaddrinfo` is: a thread that asks waits for its answer, and Twisted has ten.
"""

from collections.abc import Mapping
from typing import Protocol

from glitchgrid.simulation.clock import SECOND_NS

LOOKUP_NS = 300_000
"""How long it usually takes to learn the address of a name."""

LOOK_AGAIN_NS = SECOND_NS // 10
SILENT_MAX_NS = 30 * SECOND_NS
"""A resolver that gets no answer gives up after so long."""


class Named(Protocol):
    """A machine."""

    @property
    def address(self) -> str: ...

    @property
    def address6(self) -> str: ...


class Names:
    """The name server of a world. Faults set its attributes. Who waits for an answer asks again, and has it when they
    end.

    :param machines: by their names; an address is a name of its machine, too.
    :ivar late_ns: how much longer it takes to look a name up, up to 30 s.
    :ivar silent: names of which nobody says anything.
    :ivar elsewhere: names, and the machine that they lead to instead.
    """

    def __init__(self, machines: Mapping[str, Named]) -> None:
        self._machines = machines
        self.late_ns: dict[str, int] = {}
        self.silent: set[str] = set()
        self.elsewhere: dict[str, str] = {}

    def machine_of(self, name: str) -> Named | None:
        """None where there is no such name."""
        found = self._machines.get(self.elsewhere.get(name, name))
        if found is None:
            found = next((machine for machine in self._machines.values() if machine.address == name), None)
        return found

    def address_of(self, name: str) -> str | None:
        """That of IPv4; None where there is no such name."""
        found = self.machine_of(name)
        return None if found is None else found.address

    def name_of(self, address: str) -> str | None:
        """None where no machine has that address, of IPv4 or IPv6."""
        pairs = self._machines.items()
        return next((name for name, machine in pairs if address in {machine.address, machine.address6}), None)

    def heal(self) -> None:
        """Every name is answered for, soon and rightly."""
        self.late_ns.clear()
        self.silent.clear()
        self.elsewhere.clear()
