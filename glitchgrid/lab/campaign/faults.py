"""The faults: what can be done to a simulated grid, each a value that can be drawn, written down and read again.

They mirror what Antithesis documents of its own faults, and go further with disks and power. `begin` does one, `end`
undoes it after its time; a fault whose machine is in no state for it does nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from attrs import field, frozen
from attrs.validators import ge, le

from glitchgrid.lab.simulation.clock import MILLION, SECOND_NS
from glitchgrid.lab.simulation.draws import PER_MILLE, Draws
from glitchgrid.lab.simulation.machine import Machine
from glitchgrid.lab.simulation.world import World

MS_NS = 1_000_000
HOUR_S = 3600
DURATIONS_MS = (10, 100, 500, 2000, 5000)
"""How long faults last: from the blink of an eye to beyond every deadline."""


class Stage(Protocol):
    """What faults act on."""

    world: World

    @property
    def vaults(self) -> Sequence[Machine]: ...

    @property
    def controls(self) -> Sequence[Machine]: ...

    @property
    def servers(self) -> Sequence[Machine]:
        """Vaults and controls."""

    def start(self, machine: Machine) -> None:
        """Start a machine's program again, unless it runs."""


class Fault(ABC):
    """:cvar kind: its name, in plans and tables."""

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        """One such fault, at random."""

    @abstractmethod
    def begin(self, stage: Stage) -> None: ...

    @abstractmethod
    def end(self, stage: Stage) -> None: ...


@frozen
class _OfServer(Fault):
    """A fault of one vault or control."""

    machine: str

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.servers).name)

    def on(self, stage: Stage) -> Machine:
        return stage.world.machines[self.machine]


@frozen
class _OfVault(_OfServer):
    """A fault of one vault."""

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name)


@frozen
class _OfLink(Fault):
    """A fault of one direction between a control and a vault."""

    source: str
    target: str

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(*draw_link(draws, stage))


def draw_link(draws: Draws, stage: Stage) -> tuple[str, str]:
    source, target = draws.pick(stage.controls).name, draws.pick(stage.vaults).name
    return (target, source) if draws.below(2) else (source, target)


@frozen
class Kill(_OfServer):
    """kill -9, and a start after a while: the cache of the machine survives, connections are reset or closed."""

    kind = "kill"

    def begin(self, stage: Stage) -> None:
        self.on(stage).kill()

    def end(self, stage: Stage) -> None:
        stage.start(self.on(stage))


@frozen
class Stop(Kill):
    """SIGTERM: a process that may tidy up, and a start after a while."""

    kind = "stop"

    def begin(self, stage: Stage) -> None:
        process = self.on(stage).process
        if process is not None:
            process.terminate()


@frozen
class PowerLoss(Kill):
    """What was not synced may be lost or torn, and nobody is told that the machine is gone."""

    kind = "power loss"

    def begin(self, stage: Stage) -> None:
        self.on(stage).cut_power()


@frozen
class Blackout(Fault):
    """The vaults lose power, all of them at once."""

    kind = "blackout"

    @classmethod
    def draw(cls, _draws: Draws, _stage: Stage) -> Self:
        return cls()

    def begin(self, stage: Stage) -> None:
        for vault in stage.vaults:
            vault.cut_power()

    def end(self, stage: Stage) -> None:
        for vault in stage.vaults:
            stage.start(vault)


@frozen
class Pause(_OfServer):
    """SIGSTOP: the kernel takes connections and data, the process does nothing."""

    kind = "pause"

    def begin(self, stage: Stage) -> None:
        process = self.on(stage).process
        if process is not None:
            process.pause()

    def end(self, stage: Stage) -> None:
        process = self.on(stage).process
        if process is not None:
            process.resume()


@frozen
class Throttle(_OfServer):
    """A machine that gets little of its processor: every turn of its loop takes so long."""

    kind = "throttle"
    turn_us: int = field(validator=[ge(1), le(MILLION)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.servers).name, draws.pick((200, 2000, 20_000)))

    def begin(self, stage: Stage) -> None:
        self.on(stage).throttle(self.turn_us * 1000)

    def end(self, stage: Stage) -> None:
        self.on(stage).throttle(None)


@frozen
class Cut(_OfLink):
    """Nothing gets from one machine to another; the way back may be open."""

    kind = "cut"

    def begin(self, stage: Stage) -> None:
        stage.world.network.cut(self.source, self.target)

    def end(self, stage: Stage) -> None:
        stage.world.network.mend(self.source, self.target)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class Partition(Fault):
    """The servers fall into two groups that do not hear each other."""

    kind = "partition"
    apart: Sequence[str] = field(converter=_names)

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        names = tuple(machine.name for machine in stage.servers if draws.below(2))
        return cls(names)

    def begin(self, stage: Stage) -> None:
        for source, target in self._pairs(stage):
            stage.world.network.cut(source, target)

    def end(self, stage: Stage) -> None:
        for source, target in self._pairs(stage):
            stage.world.network.mend(source, target)

    def _pairs(self, stage: Stage) -> list[tuple[str, str]]:
        others = [machine.name for machine in stage.servers if machine.name not in self.apart]
        return [pair for here in self.apart for there in others for pair in ((here, there), (there, here))]


@frozen
class Jam(_OfLink):
    """What is sent to one machine is held, and comes all at once when it is released."""

    kind = "jam"

    def begin(self, stage: Stage) -> None:
        stage.world.network.hold(self.source, self.target)

    def end(self, stage: Stage) -> None:
        stage.world.network.release(self.source, self.target)


@frozen
class Slow(_OfLink):
    """A link that is slow, and loses some of what is sent."""

    kind = "slow"
    latency_us: int = field(validator=[ge(1), le(10 * MILLION)])
    loss_per_mille: int = field(validator=[ge(0), le(PER_MILLE - 1)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        source, target = draw_link(draws, stage)
        return cls(source, target, draws.pick((5_000, 50_000, 400_000)), draws.pick((0, 10, 200)))

    def begin(self, stage: Stage) -> None:
        link = stage.world.network.link(self.source, self.target)
        link.latency_ns, link.loss_per_mille = self.latency_us * 1000, self.loss_per_mille

    def end(self, stage: Stage) -> None:
        stage.world.network.calm(self.source, self.target)


@frozen
class Reset(_OfLink):
    """The connections between two machines break: both ends get a reset."""

    kind = "reset"

    def begin(self, stage: Stage) -> None:
        source, target = (stage.world.machines[name] for name in (self.source, self.target))
        if source.process is not None:
            source.process.break_connections(target)

    def end(self, stage: Stage) -> None:
        """Those who were connected connect again."""


@frozen
class ClockJump(_OfServer):
    """The time of day is set, forward or back, and set right again."""

    kind = "clock jump"
    by_s: int = field(validator=[ge(-24 * HOUR_S), le(24 * HOUR_S)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.servers).name, draws.pick((-HOUR_S, -30, -2, 2, 30, HOUR_S)))

    def begin(self, stage: Stage) -> None:
        self.on(stage).clock.jump(self.by_s * SECOND_NS)

    def end(self, stage: Stage) -> None:
        self.on(stage).clock.jump(-self.by_s * SECOND_NS)


@frozen
class ClockDrift(_OfServer):
    """Both clocks of a machine run fast or slow."""

    kind = "clock drift"
    by_ppm: int = field(validator=[ge(-MILLION // 2), le(MILLION)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.servers).name, draws.pick((-100_000, -1000, 1000, 100_000)))

    def begin(self, stage: Stage) -> None:
        self.on(stage).clock.drift(stage.world.now_ns, self.by_ppm)

    def end(self, stage: Stage) -> None:
        self.on(stage).clock.drift(stage.world.now_ns, 0)


@frozen
class DiskStall(_OfVault):
    """Nothing that the disk is asked for ends before this does."""

    kind = "disk stall"
    stall_ms: int = field(validator=[ge(1), le(60_000)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name, draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> None:
        disk = self.on(stage).disk
        disk.stalled_until_ns = stage.world.now_ns + self.stall_ms * MS_NS

    def end(self, stage: Stage) -> None:
        """It ends by itself."""


@frozen
class DiskFull(_OfVault):
    """No file may grow."""

    kind = "disk full"

    def begin(self, stage: Stage) -> None:
        self.on(stage).disk.is_full = True

    def end(self, stage: Stage) -> None:
        self.on(stage).disk.is_full = False


@frozen
class SyncFails(_OfVault):
    """The next sync fails, as on Linux: the cache keeps the data, the disk has any part of it, the sync after says yes.

    The vault stops taking stores; so at the end it is started anew, as an operator would.
    """

    kind = "sync fails"

    def begin(self, stage: Stage) -> None:
        self.on(stage).disk.syncs_to_fail = 1

    def end(self, stage: Stage) -> None:
        machine = self.on(stage)
        machine.disk.syncs_to_fail = 0
        machine.kill()
        stage.start(machine)


KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Kill, Stop, PowerLoss, Blackout, Pause, Throttle, Cut, Partition, Jam, Slow, Reset, ClockJump, ClockDrift,
        DiskStall, DiskFull, SyncFails,
    )
}  # fmt: skip
"""Every fault that leaves the register's assumptions whole."""
