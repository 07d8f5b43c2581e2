"""Faults of machines and of what runs on them: ends, power, pauses, clocks."""

import signal
from collections.abc import Sequence
from typing import ClassVar, Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import US_NS, Fault, Machine, OfKeeper, OfServer, Scope, Stage
from glitchgrid.lab.layout import Layout, Link
from glitchgrid.lab.limits import one_of, whole
from glitchgrid.simulation.clock import MILLION, SECOND_NS
from glitchgrid.simulation.random_stream import RandomStream

HOUR_S = 3600
SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH")
"""Those that programs take for something. SIGTERM, SIGKILL and SIGSTOP are faults of their own."""


@frozen
class Kill(OfServer):
    """kill -9, and a start after a while: the cache of the machine survives, connections are reset or closed."""

    kind = "kill"

    def begin(self, stage: Stage) -> bool:
        machine = self.on(stage)
        was_running = machine.process is not None
        machine.kill()
        return was_running

    def end(self, stage: Stage) -> bool:
        stage.start(self.on(stage))
        return False


@frozen
class Stop(Kill):
    """SIGTERM: a process that may tidy up, and a start after a while."""

    kind = "stop"

    def begin(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.terminate()
        return process is not None


@frozen
class Signal(OfServer):
    """Some signal; what it does is for the program to say. One that it has ended is started after a while."""

    kind = "signal"
    signal: str = field(validator=one_of(*SIGNALS))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.servers), rng.pick(SIGNALS))

    def begin(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.signal(int(getattr(signal, self.signal)))
        return process is not None

    def end(self, stage: Stage) -> bool:
        stage.start(self.on(stage))
        return False


@frozen
class PowerLoss(Kill):
    """What was not synced may be lost or torn, and nobody is told that the machine is gone."""

    kind = "power loss"

    def begin(self, stage: Stage) -> bool:
        machine = self.on(stage)
        was_running = machine.process is not None
        machine.cut_power()
        return was_running


@frozen
class PowerLossInSync(OfKeeper, PowerLoss):
    """A power loss in the middle of the next sync."""

    kind = "power loss in a sync"

    def begin(self, stage: Stage) -> bool:
        machine = self.on(stage)
        machine.disk.when_syncing = machine.cut_power
        return False

    def end(self, stage: Stage) -> bool:
        has_happened = self.on(stage).disk.when_syncing is None
        self.on(stage).disk.when_syncing = None
        super().end(stage)
        return has_happened


@frozen
class Blackout(Fault):
    """All keepers lose power at once."""

    kind = "blackout"
    scope = Scope.KEEPERS

    @classmethod
    def draw(cls, _rng: RandomStream, _layout: Layout) -> Self:
        return cls()

    def begin(self, stage: Stage) -> bool:
        were_running = any(keeper.process is not None for keeper in stage.keepers)
        _cut_power(stage.keepers)
        return were_running

    def end(self, stage: Stage) -> bool:
        for keeper in stage.keepers:
            stage.start(keeper)
        return False


@frozen
class Outage(OfKeeper):
    """Everything loses power at once, in the middle of a keeper's next sync: what others remember is gone, too."""

    kind = "outage"
    scope = Scope.SERVERS

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.when_syncing = lambda: _cut_power(stage.servers)
        return False

    def end(self, stage: Stage) -> bool:
        has_happened = self.on(stage).disk.when_syncing is None
        self.on(stage).disk.when_syncing = None
        for machine in stage.servers:
            stage.start(machine)
        return has_happened


def _cut_power(machines: Sequence[Machine]) -> None:
    for machine in machines:
        machine.cut_power()


@frozen
class Pause(OfServer):
    """SIGSTOP: the kernel takes connections and data, the process does nothing."""

    kind = "pause"

    def begin(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.pause()
        return process is not None

    def end(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.resume()
        return False


@frozen
class Throttle(OfServer):
    """A machine that gets little of its processor: every turn of its loop takes so long."""

    kind = "throttle"
    varies: ClassVar[bool] = False
    turn_us: int = field(validator=whole(1, MILLION))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.servers), rng.pick((200, 2000, 20_000)))

    def begin(self, stage: Stage) -> bool:
        self.on(stage).throttle(self.turn_us * US_NS, varies=self.varies)
        return self.on(stage).process is not None

    def end(self, stage: Stage) -> bool:
        self.on(stage).throttle(None)
        return False


@frozen
class ProcessorVaries(Throttle):
    """A machine whose processor is now there and now elsewhere: some turns take long, most do not."""

    kind = "processor varies"
    varies = True


@frozen
class DescriptorsRunOut(OfServer):
    """Its process may open nothing beyond what it has: EMFILE, at accept and at connect.

    One that does not listen yet is left alone: it would not start, and nobody would start it again.
    """

    kind = "descriptors run out"

    def begin(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None and process.held.listening:
            process.descriptors_max = len(process.sockets)
            process.descriptors_missed = 0
        return False

    def end(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is None:
            return False
        has_missed = process.descriptors_max is not None and process.descriptors_missed > 0
        process.descriptors_max = None
        return has_missed


@frozen
class ThreadsPaused(OfKeeper):
    """A keeper's threads get no processor, but its reactor runs: it waits for the disk, or answers that it is slow."""

    kind = "threads paused"

    def begin(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.pause_threads()
        return process is not None

    def end(self, stage: Stage) -> bool:
        process = self.on(stage).process
        if process is not None:
            process.resume_threads()
        return False


@frozen
class ClockJump(OfServer):
    """The time of day is set, forward or back, and set right again."""

    kind = "clock jump"
    by_s: int = field(validator=whole(-24 * HOUR_S, 24 * HOUR_S))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.servers), rng.pick((-HOUR_S, -30, -2, 2, 30, HOUR_S)))

    def troubles(self, _stage: Stage) -> Sequence[str | Link]:
        """No machine: all waits use the other clock."""
        return ()

    def begin(self, stage: Stage) -> bool:
        self.on(stage).clock.jump(self.by_s * SECOND_NS)
        return True

    def end(self, stage: Stage) -> bool:
        self.on(stage).clock.jump(-self.by_s * SECOND_NS)
        return False


@frozen
class ClockDrift(OfServer):
    """Both clocks of a machine run fast or slow."""

    kind = "clock drift"
    by_ppm: int = field(validator=whole(-MILLION // 2, MILLION))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.servers), rng.pick((-100_000, -1000, 1000, 100_000)))

    def begin(self, stage: Stage) -> bool:
        self.on(stage).clock.drift(stage.world.now_ns, self.by_ppm)
        return True

    def end(self, stage: Stage) -> bool:
        self.on(stage).clock.drift(stage.world.now_ns, None)
        return False
