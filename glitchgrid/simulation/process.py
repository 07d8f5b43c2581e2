"""One process, from its start to its end: its sockets, its reactor, its threads.

It ends by itself, by kill -9, or with its machine's power. From then on none of its code runs: what was scheduled
for it finds it dead. Nothing of it is thrown away before the run is over, for Python would run the `finally` blocks
of what is thrown away, and the dead would act.
"""

import errno
import os
from collections.abc import Callable
from typing import Any

from attrs import frozen
from greenlet import GreenletExit, getcurrent, greenlet
from twisted.application.service import IService
from twisted.python.failure import Failure

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.epoll import Epoll
from glitchgrid.simulation.event_queue import Event
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.names import LOOK_AGAIN_NS, LOOKUP_NS, SILENT_MAX_NS
from glitchgrid.simulation.pool import Pool
from glitchgrid.simulation.reactor import SimulatedReactor
from glitchgrid.simulation.sockets import FIRST_DESCRIPTOR, Socket

Program = Callable[["Process"], IService]
"""Makes a service of a process's reactor, pool and disk, as a twistd plugin's `makeService` does."""


@frozen
class Held:
    """What a process has taken: sockets, delayed calls, threads that are at work, open files."""

    connections: int
    listening: int
    timers: int
    threads: int
    files: int = 0


class Process:
    """:param ended: is told once of its end.
    :ivar exit_status: None while it runs; -9 after kill -9.
    :ivar is_terminating: it was told to stop, and tidies up.
    :ivar descriptors_max: so many sockets it may have, and no more; None for any number.
    :ivar descriptors_missed: how often it has asked for one more.
    :ivar spare_descriptors: what it has given up meanwhile, to be able to take another.
    """

    def __init__(self, machine: Host, program: Program, ended: Callable[[], None]) -> None:
        self.machine = machine
        self.clock = machine.clock
        self.world = machine.world
        self.alive = True
        self.exit_status: int | None = None
        self.sockets: dict[int, Socket] = {}
        self.epoll = Epoll(self.sockets, self.wake)
        self.reactor = SimulatedReactor(self)
        self._is_paused = False
        self._are_threads_paused = False
        self.is_terminating = False
        self.descriptors_max: int | None = None
        self.descriptors_missed = 0
        self.spare_descriptors = 0
        self._waits_for: list[Callable[[], bool]] = []
        self._missed: list[Callable[[], None]] = []
        self._missed_by_threads: list[Callable[[], object]] = []
        self._threads: list[greenlet] = []
        self._next_descriptor = FIRST_DESCRIPTOR
        self._next_turn: Event | None = None
        self._is_in_turn = False
        self._next_turn_ns = 0
        self._program = program
        self._ended = ended

    @property
    def name(self) -> str:
        return self.machine.name

    def wall_ns(self) -> int:
        return self.clock.wall_ns(self.world.now_ns)

    # What programs, and their reactor, have of it.

    def pool(self, threads_max: int = 1) -> Pool:
        """A thread pool whose work takes its time here."""
        return Pool(self.world, self.name, self.in_thread, self.wait_for, threads_max)

    def wait_for(self, threads: Callable[[], bool]) -> None:
        """Have the reactor wait, as for `Thread.join`: it gets no further turn until `threads` says that they ended."""
        self._waits_for.append(threads)

    def threads_went_on(self) -> None:
        """What the reactor waits for may have come."""
        if self._waits_for:
            self._waits_for = [each for each in self._waits_for if not each()]
            if not self._waits_for:
                self.wake()

    def socket(self) -> Socket:
        self.spend_descriptor()
        return Socket(self)

    def spend_descriptor(self) -> None:
        """One more is about to be taken.

        :raises OSError: EMFILE where there is none left.
        """
        if self.descriptors_max is None:
            return
        # What waits to be accepted has none yet.
        taken = sum(not each.is_queued for each in self.sockets.values()) - self.spare_descriptors
        if taken >= self.descriptors_max:
            self.descriptors_missed += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def look_up(self, name: str) -> str | None:
        """The address of a name, or None where there is none. Takes its time: for threads alone."""
        names = self.machine.names
        rng = self.world.rng(f"names {self.name}")
        self.block(rng.rarely_long(LOOKUP_NS))
        asked_ns = self.world.now_ns
        # It is looked again and again, for what keeps the answer back may end at any time.
        while (waited_ns := self.world.now_ns - asked_ns) < names.late_ns.get(name, 0) or name in names.silent:
            if waited_ns >= SILENT_MAX_NS:
                return None
            self.block(LOOK_AGAIN_NS)
        return names.address_of(name)

    # How it runs.

    def start(self) -> None:
        self.run(self._begin)

    def run(self, step: Callable[[], object]) -> None:
        """Run code of this process on its reactor: now, or once it is resumed."""
        self._run(step)
        self.wake()

    def _run(self, step: Callable[[], object]) -> None:
        if not self.alive:
            return
        if self._is_paused:
            self._missed.append(lambda: self._run(step))
            return
        world = self.world
        before, world.current = world.current, self
        try:
            step()
        finally:
            world.current = before

    def wake_up(self) -> None:
        """A thread, or the reactor itself, has left something for it to do. The end of a turn looks by itself."""
        if not self._is_in_turn:
            self.wake()

    def wake(self, after_ns: int = 0) -> None:
        """Let the reactor have a turn, in so many nanoseconds at the latest."""
        at_ns = self.world.now_ns + after_ns
        if self._next_turn is not None:
            if self._next_turn_ns <= at_ns:
                return
            self._next_turn.cancel()
        self._next_turn = self.world.after(after_ns, self._turn_begins)
        self._next_turn_ns = at_ns

    def _turn_begins(self) -> None:
        self._next_turn = None
        if not self._waits_for:
            self._run(self._turn)

    def _turn(self) -> None:
        reactor: Any = self.reactor
        self._is_in_turn = True
        if self.epoll.may_have_ready:
            reactor.doIteration(0)
        reactor.runUntilCurrent()
        self._is_in_turn = False
        if not self.alive:
            return
        if self._waits_for:
            return
        if reactor.has_stopped:
            self.exit(0)
            return
        timeout_s = reactor.timeout()
        if self.epoll.has_ready or reactor.threadCallQueue or timeout_s == 0:
            self.wake(self._turn_took_ns())
        elif timeout_s is not None:
            self.wake(max(self._turn_took_ns(), self.clock.until(int(timeout_s * SECOND_NS) + 1)))

    def _turn_took_ns(self) -> int:
        return self.machine.turn_ns() + self.clock.until(self.clock.ahead_ns(self.world.now_ns))

    def _begin(self) -> None:
        service = self._program(self)
        self.reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        self.reactor.callWhenRunning(service.privilegedStartService)
        self.reactor.callWhenRunning(service.startService)
        self.reactor.startRunning(installSignalHandlers=False)

    # How it is stopped.

    def pause(self) -> None:
        """SIGSTOP: its kernel goes on, it does not."""
        self._is_paused = True

    def resume(self) -> None:
        """SIGCONT: all that it has missed happens now."""
        self._is_paused = False
        missed, self._missed = self._missed, []
        for step in missed:
            step()

    def pause_threads(self) -> None:
        """Its threads get no processor; its reactor goes on."""
        self._are_threads_paused = True

    def resume_threads(self) -> None:
        self._are_threads_paused = False
        missed, self._missed_by_threads = self._missed_by_threads, []
        for step in missed:
            self._run(step)

    def _run_in_thread(self, step: Callable[[], object]) -> None:
        if self._are_threads_paused and self.alive:
            self._missed_by_threads.append(step)
        else:
            self._run(step)

    def terminate(self) -> None:
        """SIGTERM: it may tidy up. Another one while it does changes nothing."""
        if not self.is_terminating:
            self.is_terminating = True
            self.run(lambda: self.reactor.callFromThread(self.reactor.stop))

    def exit(self, status: int) -> None:
        """It ends: its kernel closes what it had open."""
        if not self.alive:
            return
        self.world.note(self.name, f"exit {status}")
        self._end(status)
        for each in list(self.sockets.values()):
            each.close()

    def vanish(self) -> None:
        """The power is gone, and nothing is closed."""
        self._end(None)
        for each in list(self.sockets.values()):
            each.vanish()

    def break_connections(self, other: Host) -> int:
        """A fault of the network: what connects this process and another machine is reset at both ends.

        Returns how many connections that are.
        """
        broken = self.connections_to(other)
        for each in broken:
            each.reset()
        return len(broken)

    def connections_to(self, other: Host) -> list[Socket]:
        """This end of those between this process and another machine, whoever has made them."""
        return [each for each in self.sockets.values() if each.remote is not None and each.remote[0] == other.address]

    def _end(self, status: int | None) -> None:
        self.alive = False
        self.exit_status = status
        self._missed.clear()
        self._missed_by_threads.clear()
        self._waits_for.clear()
        self._ended()

    # What the kernel keeps for it.

    def new_descriptor(self, of: Socket) -> int:
        descriptor = self._next_descriptor
        self._next_descriptor += 1
        self.sockets[descriptor] = of
        return descriptor

    @property
    def held(self) -> "Held":
        """What it has just now that it must give back."""
        connections = sum(not each.is_listening for each in self.sockets.values())
        timers = sum(call.active() for call in self.reactor.getDelayedCalls())
        files = sum(user is self for user in self.machine.disk.open_files.values())
        return Held(connections, len(self.sockets) - connections, timers, len(self._threads), files)

    def free_descriptor(self, descriptor: int) -> None:
        self.sockets.pop(descriptor, None)

    def block(self, duration_ns: int) -> None:
        """Let a thread of this process wait. Nothing but a thread may: a reactor that waits serves nobody."""
        if not self.alive:
            raise GreenletExit
        thread = getcurrent()
        assert thread.parent is not None, "a system call that blocks, outside a thread"
        self.world.after(duration_ns, self._run_in_thread, thread.switch)
        thread.parent.switch()

    def in_thread(self, work: Callable[[], Any], done: Callable[[bool, Any], None]) -> None:
        """Do `work` in a thread, and tell `done`, in that thread too, whether it ended well, and with what."""

        def body() -> None:
            try:
                outcome = True, work()
            except Exception:  # noqa: BLE001 - whatever a pool's work raises is its result
                outcome = False, Failure()
            self._threads.remove(thread)
            done(*outcome)
            self.threads_went_on()

        thread = greenlet(body)
        self._threads.append(thread)
        self._run_in_thread(thread.switch)

    def let_go(self) -> None:
        """End what is left of its threads, once the run is over. They hold on to all that they refer to.

        The garbage collector does not see into a greenlet that waits.
        """
        self.alive = False
        for thread in self._threads:
            thread.throw()
        self._threads.clear()
