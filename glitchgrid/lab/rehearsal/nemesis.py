"""Carries out the faults of a plan on real machines, while test commands run."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any, Protocol

from attrs import asdict, define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater

from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.faults import FAULTS
from glitchgrid.lab.composer.faults import Fault as Injected
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.faults.fault import Fault, Stage
from glitchgrid.lab.plan.plan import FAULTS_MAX, Planned
from glitchgrid.lab.rehearsal.events import EVENTS, began, ended
from glitchgrid.waiting import abandon

MS_PER_S = 1000
NS_PER_MS = 1_000_000
LOOK_S = 0.02


@define(eq=False)
class _Going:
    """A fault that goes on.

    :ivar number: by which people speak of it.
    """

    number: int
    planned: Planned
    members: tuple[str, ...]
    began_ns: int
    timer: IDelayedCall | None = None


class HealingStage(Stage, Protocol):
    """A stage that can be made well as a whole: its network has ``heal``, its machines ``calm`` and ``start``."""

    @property
    def world(self) -> Any: ...

    @property
    def servers(self) -> Sequence[Any]: ...

    @property
    def machines(self) -> Sequence[Any]: ...


class PlannedNemesis:
    """:param until_well: waits until every server serves.

    The times of a plan count from `start` on, quiet periods not included.

    :ivar by_hand: what somebody has done besides, with the times of a plan that does it again.
    """

    def __init__(
        self,
        reactor: Any,
        stage: HealingStage,
        faults: Sequence[Planned],
        until_well: Callable[[], Awaitable[None]],
        directory: Path,
        watcher: Watcher,
    ) -> None:
        self._reactor = reactor
        self._stage = stage
        self._faults = sorted(faults, key=lambda each: each.at_ms)
        self._until_well = until_well
        self._directory = directory
        self._watcher = watcher
        self._going: list[_Going] = []
        self._begun = 0
        self.by_hand: list[Planned] = []
        self._is_on = False
        self._quiet = 0
        self._quiet_since_s = self._shift_s = self._began_s = 0.0
        self._working: Deferred[None] | None = None

    def start(self) -> None:
        self._is_on = True
        self._began_s = self._quiet_since_s = self._reactor.seconds()
        self._shift_s = 0.0
        self._working = Deferred.fromCoroutine(self._work())

    async def stop(self) -> None:
        """No more faults; returns when every server serves.

        :raises CannotRun: when one does not.
        """
        self._is_on = False
        if self._working is not None:
            await self._working
        await self._be_well()

    def abandon(self) -> None:
        """Stop at once, and leave all as it is."""
        self._is_on = False
        for going in self._going:
            if going.timer is not None and going.timer.active():
                going.timer.cancel()
            self._note_how_long(going)
        self._going.clear()
        if self._working is not None:
            abandon(self._working)

    def strike(self, fault: Fault, for_ms: int) -> None:
        """Begin a fault now, besides the plan's.

        :raises CannotRun: while there are to be none, and where no plan could say it.
        """
        if not self._is_on or self._quiet:
            raise CannotRun("no fault now: this is a quiet period, or the end")
        if len(self._faults) + len(self.by_hand) >= FAULTS_MAX:
            raise CannotRun(f"no plan has more than {FAULTS_MAX} faults")
        try:
            planned = Planned(int((self._since_s - self._shift_s) * MS_PER_S), for_ms, fault)
        except ValueError as error:
            raise CannotRun(f"no plan says that: {error}") from error
        self.by_hand.append(planned)
        self._begin(planned)

    def finish(self, number: int) -> None:
        """End one that goes on before its time.

        :raises CannotRun: where none of that number does.
        """
        for going in self._going:
            if going.number == number:
                self._end(going)
                return
        raise CannotRun(f"fault {number} is over")

    @property
    def going(self) -> Sequence[tuple[int, Fault, Sequence[str]]]:
        """What goes on: its number, the fault, whom it troubles."""
        return [(each.number, each.planned.fault, each.members) for each in self._going]

    async def quiet(self, seconds: float) -> None:
        """No faults for so long, from when every server serves; returns then. Periods may overlap."""
        if not self._quiet:
            self._quiet_since_s = self._reactor.seconds()
        self._quiet += 1
        try:
            await self._be_well()
        except BaseException:
            self._less_quiet()
            raise
        self._reactor.callLater(seconds, self._less_quiet)

    def _less_quiet(self) -> None:
        self._quiet -= 1
        if not self._quiet:
            self._shift_s += self._reactor.seconds() - self._quiet_since_s

    @property
    def _since_s(self) -> float:
        return float(self._reactor.seconds() - self._began_s)

    async def _work(self) -> None:
        for planned in self._faults:
            due_s = planned.at_ms / MS_PER_S
            while self._is_on and (self._quiet or self._since_s - self._shift_s < due_s):
                await deferLater(self._reactor, LOOK_S)
            if not self._is_on:
                return
            self._begin(planned)

    def _begin(self, planned: Planned) -> None:
        fault = planned.fault
        whom = self._whom(fault)
        self._begun += 1
        going = _Going(self._begun, planned, whom, monotonic_ns())
        fault.begin(self._stage)
        lines.append(self._directory / EVENTS, began(planned, whom, self._since_s))
        self._watcher.struck(fault, whom)
        self._going.append(going)
        going.timer = self._reactor.callLater(planned.for_ms / MS_PER_S, self._end, going)

    def _whom(self, fault: Fault) -> tuple[str, ...]:
        """The machines that it is done to, be they well all the same: no clock that jumps keeps one from serving."""
        troubled = fault.troubles(self._stage)
        return tuple(dict.fromkeys(each if isinstance(each, str) else each[0] for each in troubled or fault.machines))

    def _end(self, going: _Going) -> None:
        if going.timer is not None and going.timer.active():
            going.timer.cancel()
        self._going.remove(going)
        self._note_how_long(going)
        lines.append(self._directory / EVENTS, ended(going.planned, going.members, self._since_s))
        going.planned.fault.end(self._stage)
        lines.append(self._directory / FAULTS, asdict(self._told(going)))
        self._watcher.healed(going.planned.fault, going.members)

    def _note_how_long(self, going: _Going) -> None:
        """What was done by hand has lasted until now, and not for as long as was asked for."""
        lasted_ms = (monotonic_ns() - going.began_ns) // NS_PER_MS
        self.by_hand = [
            evolve(each, for_ms=min(each.for_ms, lasted_ms)) if each is going.planned else each for each in self.by_hand
        ]

    def _told(self, going: _Going) -> Injected:
        fault = going.planned.fault
        return Injected(fault.kind, going.members, going.began_ns, monotonic_ns(), str(fault))

    async def _be_well(self) -> None:
        """End what goes on, and wait until every server serves."""
        for going in list(self._going):
            self._end(going)
        self._stage.world.network.heal()
        for machine in self._stage.machines:
            machine.calm()
        for server in self._stage.servers:
            self._stage.start(server)
        await self._until_well()
