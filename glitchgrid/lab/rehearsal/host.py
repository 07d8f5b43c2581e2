"""A real machine as faults see it. What it is asked for is done in the order in which it was asked, and a moment later.

The faults of `glitchgrid.lab.faults` are written for the simulator's machines, whose attributes they set; here they set
those of stand-ins, which pass them on to the machine's first process.
"""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from glitchgrid.lab.child import Child
from glitchgrid.machines.clocks import LIBRARY, ClockFile
from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.machine import Machine
from glitchgrid.simulation.clock import MILLION, SECOND_NS
from glitchgrid.simulation.random_stream import RandomStream

MS_NS = 1_000_000
RUNS_S = 0.005
"""A machine that is throttled runs for so long between two stops."""

STOPPED_TURNS = 10
"""A stop takes as long as so many of the turns that a fault names."""

RESTART_AFTER_S, RESTART_AFTER_S_MAX = 0.5, 8.0
"""A program that has ended by itself is started again, as by a supervisor: each time in a row after twice as long."""

ALIVE_S = 10.0
"""What has run for so long has begun a new row."""


class World:
    """:ivar network: see `glitchgrid.machines.network.Network`; it has the same methods as the simulator's.
    :ivar machines: those of a stage, by their names: each a `Host`, or what another stage has.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self.machines: dict[str, Any] = {}

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns()

    @property
    def names(self) -> Any:
        raise NotImplementedError("faults of names are refused before they begin")


class RealDisk:
    """The faults of a disk. Each is told to the machine as it is set.

    :ivar when_syncing: is called once, in the middle of the next sync.
    """

    def __init__(self, tell: Callable[..., object]) -> None:
        self._tell = tell
        self._stalled_until_ns = 0
        self._is_full = self._is_read_only = False
        self._syncs_to_fail = 0
        self._when_syncing: Callable[[], object] | None = None
        self.fails_to = FailsTo(self._failing)
        self.refusals = 0

    @property
    def stalled_until_ns(self) -> int:
        return self._stalled_until_ns

    @stalled_until_ns.setter
    def stalled_until_ns(self, until_ns: int) -> None:
        self._stalled_until_ns = until_ns
        self._tell("set", stall_ms=max(0, until_ns - time.monotonic_ns()) // MS_NS)

    @property
    def is_full(self) -> bool:
        return self._is_full

    @is_full.setter
    def is_full(self, is_full: bool) -> None:
        self._is_full = is_full
        self._tell("set", is_full=is_full)

    @property
    def is_read_only(self) -> bool:
        return self._is_read_only

    @is_read_only.setter
    def is_read_only(self, is_read_only: bool) -> None:
        self._is_read_only = is_read_only
        self._tell("set", is_read_only=is_read_only)

    @property
    def syncs_to_fail(self) -> int:
        return self._syncs_to_fail

    @syncs_to_fail.setter
    def syncs_to_fail(self, syncs: int) -> None:
        self._syncs_to_fail = syncs
        self._tell("set", syncs_to_fail=syncs)

    @property
    def when_syncing(self) -> Callable[[], object] | None:
        return self._when_syncing

    @when_syncing.setter
    def when_syncing(self, call: Callable[[], object] | None) -> None:
        self._when_syncing = call
        self._tell("watch syncs", is_watched=call is not None)

    def is_syncing(self) -> None:
        """The machine says so, and its sync waits."""
        call, self._when_syncing = self._when_syncing, None
        if call is not None:
            call()

    def came(self, refusals: int, syncs_to_fail: int) -> None:
        """The machine says what came of its faults."""
        self.refusals = refusals
        self._syncs_to_fail = syncs_to_fail

    def _failing(self, words: Sequence[str]) -> None:
        self._tell("set", fails_to=list(words))


class FailsTo:
    """What a disk fails to do: "read", "write"."""

    def __init__(self, changed: Callable[[Sequence[str]], object]) -> None:
        self._words: set[str] = set()
        self._changed = changed

    def add(self, word: str) -> None:
        self._words.add(word)
        self._changed(sorted(self._words))

    def discard(self, word: str) -> None:
        self._words.discard(word)
        self._changed(sorted(self._words))


class RealClock:
    """What programs on a machine are told of the time of day.

    :param path: the file of it; see `glitchgrid.machines.clocks`.
    :ivar when_set: is called each time that somebody does something to it.
    """

    def __init__(self, path: Path) -> None:
        self.when_set: Callable[[], object] = lambda: None
        self._file = ClockFile(path)
        self._off_ns = self._ppm = 0
        self._since_ns = time.time_ns()
        self._write()

    def jump(self, by_ns: int) -> None:
        self._off_ns += by_ns
        self._write()
        self.when_set()

    def drift(self, _now_ns: int, drift_ppm: int | None) -> None:
        """What it has gained stays gained."""
        now_ns = time.time_ns()
        self._off_ns += (now_ns - self._since_ns) * self._ppm // MILLION
        self._since_ns, self._ppm = now_ns, drift_ppm or 0
        self._write()
        self.when_set()

    def close(self) -> None:
        """Nobody asks any more."""
        self._file.close()

    def _write(self) -> None:
        self._file.write(self._off_ns, self._since_ns, self._ppm)


class Processes:
    """All that runs on a machine, as one."""

    def __init__(self, host: "Host") -> None:
        self._host = host

    def terminate(self) -> None:
        """SIGTERM."""
        self._host.is_ending = True
        self._host.stopped_ns = time.monotonic_ns()
        self._host.tell("signal", number=int(signal.SIGTERM))

    def signal(self, number: int) -> None:
        self._host.tell("signal", number=number)

    def pause(self) -> None:
        self._host.hold_still("paused")

    def resume(self) -> None:
        self._host.let_go("paused")

    def break_connections(self, other: "Host") -> int:
        """Returns how many there were: as far as one knows from outside, one."""
        self._host.world.network.reset(self._host.name, other.name)
        return 1

    # What cannot be done from outside is refused before: see `glitchgrid.lab.rehearsal.stage`.
    descriptors_max: int | None = None
    descriptors_missed = 0

    @property
    def sockets(self) -> Sequence[object]:
        raise NotImplementedError

    @property
    def held(self) -> Any:
        raise NotImplementedError

    def pause_threads(self) -> None:
        raise NotImplementedError

    def resume_threads(self) -> None:
        raise NotImplementedError


@define(eq=False)
class Host:
    """:ivar launch: starts the machine's program, and returns it.
    :ivar ended_by_itself: is told when the program ends, and nobody has asked it to.
    :ivar guests: test commands that run there.
    :ivar is_ending: it was killed, or asked to end, and is not gone yet.
    :ivar up_since_s: since when its power is on, by the host's monotonic clock, which a machine's own begins with anew.
    :ivar stopped_ns: when all that ran there was told to end last, as `killed_ns`.
    :ivar killed_ns: when all that ran there was killed last, by the monotonic clock; 0 for never.
    """

    reactor: Any
    world: World
    machine: Machine
    clock: RealClock
    launch: Callable[[], Child]
    ended_by_itself: Callable[["Host", Child], object]
    trouble: Callable[[str], object]
    rng: RandomStream
    disk: RealDisk = field(init=False)
    child: Child | None = None
    guests: set[Child] = field(factory=set)
    is_ending: bool = False
    stopped_ns: int = 0
    killed_ns: int = 0
    up_since_s: float = field(factory=time.monotonic)
    _killings: int = 0
    _starts_then: bool = False
    _stopped_for: set[str] = field(factory=set)
    _refusals_before: int = 0
    _throttling: IDelayedCall | None = None
    _restarting: IDelayedCall | None = None
    _started_s: float = 0.0
    _waits_s: float = RESTART_AFTER_S / 2
    _without_clock: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.disk = RealDisk(self.tell)
        self.clock.when_set = self._look_whose_clock_stands
        self.machine.said = self._said

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def process(self) -> Processes | None:
        return Processes(self) if self.child is not None and self.child.running and not self.is_ending else None

    @property
    def stands_still(self) -> bool:
        """Is it stopped, until somebody lets it go?"""
        return "paused" in self._stopped_for

    @property
    def disk_has_refused(self) -> bool:
        """Since its program was started."""
        return self.disk.refusals > self._refusals_before

    def tell(self, do: str, **fields: object) -> None:
        """Have the machine do something; that it could not is trouble."""
        self.machine.ask(do, **fields).addErrback(self._is_trouble)

    def start(self) -> None:
        """Start its program, unless it runs; where it is about to end, once it has, and all else on the machine."""
        child = self.child
        if self._killings:
            self._starts_then = True
            return
        if child is not None and child.running:
            if self.is_ending:
                child.when_ended().addCallback(lambda _: self.start())
            return
        self.is_ending = False
        self._refusals_before = self.disk.refusals
        self._started_s = self.reactor.seconds()
        self.child = started = self.launch()
        started.when_ended().addCallback(lambda _: self._has_ended(started))

    def kill(self) -> None:
        self._killed(self.machine.ask("kill"))

    def cut_power(self) -> None:
        """Nothing gets out any more before everything dies: nobody is told that the machine is gone."""
        network = self.world.network
        network.silence(self.name)
        asked = self.machine.ask("lose power")
        asked.addBoth(self._is_on_again)
        self._killed(asked)

    def _is_on_again(self, result: Any) -> Any:
        self.world.network.hear(self.name)
        self.up_since_s = time.monotonic()
        return result

    def _killed(self, asked: "Deferred[Any]") -> None:
        """Nothing is started until it is certain that what ran before is gone."""
        self.is_ending = True
        self.killed_ns = time.monotonic_ns()
        self._killings += 1
        self._cancel_restart()
        self._let_those_go_that_wait()

        def gone(_: object) -> None:
            self._killings -= 1
            if self._starts_then and not self._killings:
                self._starts_then = False
                self.start()

        asked.addErrback(self._is_trouble).addCallback(gone)

    def _is_trouble(self, failure: Failure) -> None:
        failure.trap(CannotBeMade)
        self.trouble(f"{self.name}: {failure.getErrorMessage()}")

    def _look_whose_clock_stands(self) -> None:
        """A program that is linked statically does not load what sets its clock."""

        def found(programs: Sequence[str]) -> None:
            for program in programs:
                if program not in self._without_clock:
                    self._without_clock.add(program)
                    self.trouble(f"{self.name}: {program} has the real time: it does not load what sets clocks")

        asked = self.machine.ask("programs without", library=str(LIBRARY))
        asked.addCallbacks(found, self._is_trouble)

    def throttle(self, turn_ns: int | None, *, varies: bool = False) -> None:
        """Stop it again and again; None for no more."""
        if self._throttling is not None and self._throttling.active():
            self._throttling.cancel()
        self._throttling = None
        self.let_go("throttled")
        if turn_ns is not None:
            self._stop_a_while(turn_ns, varies)

    def _stop_a_while(self, turn_ns: int, varies: bool) -> None:
        turns = self.rng.rarely_long(STOPPED_TURNS) if varies else STOPPED_TURNS
        self.hold_still("throttled")

        def go_on() -> None:
            self.let_go("throttled")
            self._throttling = self.reactor.callLater(RUNS_S, self._stop_a_while, turn_ns, varies)

        self._throttling = self.reactor.callLater(turns * turn_ns / SECOND_NS, go_on)

    def hold_still(self, why: str) -> None:
        """SIGSTOP, until nobody wants it to stand still any more."""
        if not self._stopped_for:
            self.tell("signal", number=int(signal.SIGSTOP))
        self._stopped_for.add(why)

    def let_go(self, why: str) -> None:
        if why in self._stopped_for:
            self._stopped_for.discard(why)
            if not self._stopped_for:
                self.tell("signal", number=int(signal.SIGCONT))
                self._let_those_go_that_wait()

    def _let_those_go_that_wait(self) -> None:
        """What waits here for a program there has been stopped with it, and would not tell of its end."""
        for child in (self.child, *self.guests):
            if child is not None:
                child.signal(signal.SIGCONT)

    def end(self) -> "Deferred[None]":
        """End the machine, and all that was to be done to it."""
        self.throttle(None)
        self._cancel_restart()
        self.clock.close()
        return self.machine.end()

    def _cancel_restart(self) -> None:
        """Whoever has struck it says when it starts again."""
        if self._restarting is not None and self._restarting.active():
            self._restarting.cancel()

    def calm(self) -> None:
        """Let it be well again."""
        self.throttle(None)
        for why in list(self._stopped_for):
            self.let_go(why)

    def _said(self, what: dict[str, Any]) -> None:
        """The machine has something to say without being asked."""
        if "syncing" in what:
            self.disk.is_syncing()
        else:
            self.disk.came(what["refusals"], what["syncs_to_fail"])

    def _has_ended(self, child: Child) -> None:
        was_asked = self.is_ending or self._killings > 0
        self.is_ending = False
        self._stopped_for.discard("paused")
        if not was_asked and self.machine.pid:
            self.ended_by_itself(self, child)
            lived_s = self.reactor.seconds() - self._started_s
            self._waits_s = RESTART_AFTER_S if lived_s > ALIVE_S else min(2 * self._waits_s, RESTART_AFTER_S_MAX)
            self._restarting = self.reactor.callLater(self._waits_s, self._start_again, child)

    def _start_again(self, child: Child) -> None:
        if self.child is child and self.machine.pid:
            self.start()
