"""A process: its threads, which are greenlets, and the one way in which they wait.

Every call that waits comes down to `Process.park`: the thread gives way to the world, which goes on with it when
another one wakes it, when its time is over, or never, if the process has ended meanwhile. What a dead process left is
not thrown away before the run is over, for Python would run the `finally` blocks of what is thrown away, and the dead
would act.
"""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet

from glitchgrid.simulation.event_queue import Event
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.kernel.descriptors import Table
from glitchgrid.simulation.kernel.seam import Seam

T = TypeVar("T")

Handler = Callable[[int, object], object] | int
"""What a signal does, as `signal.signal` takes it."""

IDENT_BASE = 0x7F0000000000
IDENT_STEP = 0x1000
"""Threads have numbers that look like those of Linux, and are the same in each run."""

_IGNORED = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT, signal.SIGSTOP}
"""Signals that end nobody who has no handler for them."""

_ENDING = {signal.SIGTERM, signal.SIGINT}
"""Those by which somebody asks for the end."""


def _say_nothing(*_raised: object) -> None:
    """What a process that is over raises, nobody reads."""


class Watched(Protocol):
    """Something whose readiness changes: an open file, a lock."""

    watchers: dict[object, Callable[[], None]]


class Thread:
    """:ivar number: its place among its process's threads, from 1.
    :ivar locals: what is kept for it alone, by whoever keeps something.
    :ivar is_parked: whether it waits, and may be woken.
    """

    __slots__ = ("event", "greenlet", "ident", "is_parked", "locals", "number", "process", "wake")

    def __init__(self, process: "Process", number: int, hub: greenlet, body: Callable[[], None]) -> None:
        self.process = process
        self.number = number
        self.ident = IDENT_BASE + (process.pid * 1000 + number) * IDENT_STEP
        self.greenlet = greenlet(lambda _woken: body(), hub)
        self.is_parked = False
        self.event: Event | None = None
        self.locals: dict[object, Any] = {}
        self.wake = partial(process.unpark, self)

    @property
    def is_ready(self) -> bool:
        """Whether it would run, if those did not that are before it."""
        return self.event is not None and self.event[0] <= self.process.world.now_ns


class Process:
    """:param main: what it does; its end is the process's, with status 0, or 1 after an exception.
    :param ended: is told once of the end.
    :param loading_ns: its code runs so long after its start.
    :ivar table: its descriptors.
    :ivar has_own_modules: whether it imports what it needs for itself.
    :ivar status: None while it runs; its exit status, or a signal's number below 0.
    :ivar failure: the exception that ended it, if one did.
    :ivar parent: who has started it, if it was another process; `children` are those whose end it has not heard of yet.
    :ivar is_terminating: it was asked to end, by SIGTERM or SIGINT.
    :ivar waits_for_children: those of its threads that wait for the end of one.
    :ivar when_ended: is called when it has ended, but not by a loss of power.
    :ivar is_awaited: it has ended, and its parent has not asked for its status yet.
    :ivar told_of_signals: is called with the number of each signal that has a handler (signal.set_wakeup_fd).
    :ivar started_ns: when it has begun, in the world's time.
    :ivar kept: what is kept for it alone, by whoever keeps something.
    :ivar when_let_go: is called, as the process, before a thread of it is ended that the end of the world finds.
    """

    def __init__(
        self,
        host: Host,
        seam: Seam,
        hub: greenlet,
        pid: int,
        main: Callable[[], object],
        ended: Callable[[], None],
        loading_ns: int = 0,
    ) -> None:
        self.host = host
        self.world = host.world
        self.clock = host.clock
        self.pid = pid
        self.name = host.name
        self.table = Table()
        self.has_own_modules = False
        self.alive = True
        self.status: int | None = None
        self.failure: BaseException | None = None
        self.threads: dict[greenlet, Thread] = {}
        self.parent: Process | None = None
        self.children: list[Process] = []
        self.waits_for_children: set[Thread] = set()
        self.is_awaited = False
        self.when_ended: Callable[[], None] | None = None
        self.told_of_signals: Callable[[int], None] | None = None
        self.handlers: dict[int, Handler] = {signal.SIGPIPE: signal.SIG_IGN}
        self.kept: dict[object, Any] = {}
        self.when_let_go: list[Callable[[], object]] = []
        self._seam = seam
        self._hub = hub
        self._main = main
        self._ended = ended
        self.started_ns = host.world.now_ns
        self._started = 0
        self._pending: deque[int] = deque()
        self._handled = 0
        self._is_paused = False
        self._are_threads_paused = False
        self.is_terminating = False
        self._missed: list[tuple[Thread, bool]] = []
        self.main_thread = self.spawn(self._run_main, loading_ns)

    @property
    def thread(self) -> Thread:
        """The one whose code runs just now."""
        return self.threads[getcurrent()]

    def move(self, host: Host, pid: int, ended: Callable[[], None]) -> None:
        """Let it be a process of another world, where it has not run yet."""
        self.host, self.world, self.clock = host, host.world, host.clock
        self.name, self.pid = host.name, pid
        self.started_ns = host.world.now_ns
        self._hub = getcurrent()
        self._ended = ended

    # Threads.

    def spawn(self, body: Callable[[], None], delay_ns: int = 0) -> Thread:
        """A new thread, which begins after some time."""
        self._started += 1
        thread = Thread(self, self._started, self._hub, body)
        self.threads[thread.greenlet] = thread
        thread.event = self.world.after(delay_ns, self._go_on, thread, True)
        return thread

    def leave_alone(self) -> None:
        """Only the thread whose code runs goes on: it is the main one from now on. What was handled is so no more."""
        thread = self.thread
        for each in self.threads.values():
            if each is not thread and each.event is not None:
                each.event.cancel()
        self.threads = {thread.greenlet: thread}
        self.main_thread = thread
        thread.locals.clear()
        self.handlers = {number: handler for number, handler in self.handlers.items() if handler == signal.SIG_IGN}
        self.told_of_signals = None

    def _run_main(self) -> None:
        try:
            self._main()
        except SystemExit as exit_:
            self.exit(exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None))
        except GreenletExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - whatever it is, it ends this process and no other
            self.failure = failure
            self.exit(1)
        else:
            self.exit(0)

    def _go_on(self, thread: Thread, woken: bool) -> None:
        """From the world: let a thread go on."""
        thread.event = None
        if not self.alive:
            return
        if self._is_paused or (self._are_threads_paused and thread is not self.main_thread):
            self._missed.append((thread, woken))
            return
        world, seam = self.world, self._seam
        before, world.current = world.current, self
        self.host.activity += 1
        seam.enter(thread)
        try:
            thread.greenlet.switch(woken)
        finally:
            seam.leave()
            world.current = before
        if thread.greenlet.dead:
            self.threads.pop(thread.greenlet, None)

    def park(self, timeout_ns: int | None = None) -> bool:
        """Let the thread whose code runs wait until it is woken, or for so long by the world's time.

        Signals' handlers run behind it, in the main thread.

        :returns: whether it was woken; False for a time-out.
        """
        return self._park(self.thread, timeout_ns)

    def _park(self, thread: Thread, timeout_ns: int | None) -> bool:
        if not self.alive:
            raise GreenletExit
        thread.is_parked = True
        if timeout_ns is not None:
            thread.event = self.world.after(max(0, timeout_ns), self._go_on, thread, False)
        woken: bool = self._hub.switch()
        thread.is_parked = False
        if self._pending and thread is self.main_thread:
            self._handle()
        return woken

    def unpark(self, thread: Thread) -> None:
        """Wake a thread, if it waits."""
        if not thread.is_parked or not self.alive:
            return
        thread.is_parked = False
        if thread.event is not None:
            thread.event.cancel()
        thread.event = self.world.after(0, self._go_on, thread, True)

    def sleep(self, duration_ns: int) -> None:
        """For so long by the machine's clock."""
        end_ns = self.world.now_ns + self.clock.until(duration_ns)
        while self.world.now_ns < end_ns:
            self.park(end_ns - self.world.now_ns)

    def wait_for(self, files: Iterable[Watched], ready: Callable[[], T], timeout_ns: int | None = None) -> T | None:
        """Let the thread wait until `ready` says something true; it is asked whenever one of the files has changed.

        :param timeout_ns: by the machine's clock.
        :returns: that, or None for a time-out.
        """
        return ready() or self.wait_for_change(files, ready, timeout_ns)

    def wait_for_change(
        self, files: Iterable[Watched], ready: Callable[[], T], timeout_ns: int | None = None
    ) -> T | None:
        """As `wait_for`, where `ready` has just said nothing."""
        thread = self.thread
        watched = list(files)
        for file in watched:
            file.watchers[thread] = thread.wake
        world = self.world
        end_ns = None if timeout_ns is None else world.now_ns + self.clock.until(timeout_ns)
        try:
            while True:
                left_ns = None if end_ns is None else end_ns - world.now_ns
                if left_ns is not None and left_ns <= 0:
                    return None
                self._park(thread, left_ns)
                found = ready()
                if found:
                    return found
        finally:
            for file in watched:
                file.watchers.pop(thread, None)

    # Signals.

    def handler(self, number: int) -> Handler:
        """What a signal does: for SIGINT the interpreter has one of its own (signal.default_int_handler)."""
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        return self.handlers.get(number, cast("Handler", usual))

    def kill(self, number: int) -> None:
        """Send it a signal."""
        if not self.alive:
            return
        if number in {signal.SIGSTOP, signal.SIGCONT}:
            (self.pause if number == signal.SIGSTOP else self.resume)()
        self.is_terminating |= number in _ENDING
        handler = self.handler(number)
        if number == signal.SIGKILL or (handler == signal.SIG_DFL and number not in _IGNORED):
            self.exit(-number)
        elif callable(handler) and not isinstance(handler, signal.Handlers):
            if self.told_of_signals is not None:
                self.told_of_signals(number)
            self._pending.append(number)
            if self.threads.get(getcurrent()) is self.main_thread:
                self._handle()
            else:
                self.unpark(self.main_thread)

    def _handle(self) -> None:
        while self._pending:
            number = self._pending.popleft()
            self._handled += 1
            handler = self.handler(number)
            if callable(handler) and not isinstance(handler, signal.Handlers):
                handler(number, None)

    def pause_for_signal(self) -> None:
        """Wait until a signal's handler has run (pause(2)), in the main thread."""
        before = self._handled
        while self._handled == before:
            self.park()

    def pause(self) -> None:
        """As SIGSTOP does: none of its code runs until `resume`."""
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._go_on_with_missed()

    def pause_threads(self) -> None:
        """None of its threads gets a processor but the main one."""
        self._are_threads_paused = True

    def resume_threads(self) -> None:
        self._are_threads_paused = False
        self._go_on_with_missed()

    def _go_on_with_missed(self) -> None:
        missed, self._missed = self._missed, []
        for thread, woken in missed:
            self.world.after(0, self._go_on, thread, woken)

    # The end.

    def exit(self, status: int) -> None:
        """End it, as `_exit` or a signal that nobody handles. Called by one of its threads, this does not return."""
        if not self.alive:
            return
        self.alive, self.status = False, status
        self.world.note(self.name, f"exit {status}")
        self._ended()
        if self.when_ended is not None:
            self.when_ended()
        if getcurrent() in self.threads:
            self._hub.switch()  # nobody switches back before the end of the run
            raise GreenletExit

    def vanish(self) -> None:
        """Its machine has lost its power."""
        self.alive = False
        self._ended()

    def let_go(self) -> None:
        """The world is over: end what is left of its threads.

        What they do at their end (their `finally` blocks, and whoever catches everything) is done by a dead process:
        it has no descriptors, and whatever waits is ended again.
        """
        self.alive = False
        for each in list(self.threads.values()):
            if not each.greenlet.dead and each.greenlet:
                self._end(each)
        self.threads.clear()
        self._missed.clear()
        self.kept.clear()

    def _end(self, thread: Thread) -> None:
        before, self.world.current = self.world.current, self
        self._seam.enter(thread)
        try:
            sys.excepthook = threading.excepthook = _say_nothing
            for end in self.when_let_go:
                end()
            thread.greenlet.throw()
        finally:
            self._seam.leave()
            self.world.current = before
