"""Which machines and links are well, and since when. An operation has to succeed only while they are.

Faults say whom they trouble. What runs on a machine is well once it listens, unless its disk has failed it: a vault
takes no store then until it is started anew. After a fault has ended, its machine or link is given some time to settle:
those that talk to it find out by their time-outs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from glitchgrid.lab.layout import Link
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine

SETTLES_NS = 8 * SECOND_NS
"""After a fault. A connection that it has broken unseen costs whoever uses it a time-out of a second, and a rest; there
are a few of them."""

STARTED_NS = SECOND_NS
"""After a start that no fault has brought about: control may have come before its vaults."""


class Time(Protocol):
    @property
    def now_ns(self) -> int: ...


class Wellness:
    """:param time: of the world.
    :param ports: where each server listens.
    """

    def __init__(self, time: Time, ports: Mapping[Machine, int]) -> None:
        self._time = time
        self._ports = {machine.name: (machine, port) for machine, port in ports.items()}
        self._troubles: Counter[str | Link] = Counter()
        self._relieved_ns: dict[str | Link, int] = {}

    def trouble(self, whom: Iterable[str | Link]) -> None:
        """A fault begins."""
        self._troubles.update(whom)

    def relieve(self, whom: Iterable[str | Link]) -> None:
        """A fault is over."""
        for each in whom:
            self._troubles[each] -= 1
            self._relieved_ns[each] = self._time.now_ns

    def relieve_all(self) -> None:
        """All faults are over."""
        self.relieve([each for each, count in self._troubles.items() for _ in range(count)])

    def relieved_ns(self, *whom: str | Link) -> int:
        """When the last of their troubles ended; 0 where there was none."""
        return max(self._relieved_ns.get(each, 0) for each in whom)

    def since_ns(self, *whom: str | Link) -> int | None:
        """From when on all of them are well; None while one is not."""
        moments = [self._since_ns(each) for each in whom]
        known = [moment for moment in moments if moment is not None]
        return max(known) if len(known) == len(moments) else None

    def _since_ns(self, whom: str | Link) -> int | None:
        if self._troubles[whom]:
            return None
        relieved_ns = self._relieved_ns.get(whom)
        since_ns = 0 if relieved_ns is None else relieved_ns + SETTLES_NS
        found = self._ports.get(whom) if isinstance(whom, str) else None
        if found is None:
            return since_ns
        machine, port = found
        listener = machine.listener(port)
        if listener is None or machine.disk_has_refused:
            return None
        process = machine.process
        if process is None or process.is_terminating:
            return None
        return max(since_ns, listener.listens_since_ns + STARTED_NS)
