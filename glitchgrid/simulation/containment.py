"""Keeps a run inside its world: everything that is patched meanwhile, and why.

=============================  ===================================================================================
what                           why, and with what
=============================  ===================================================================================
`time.time`, `time.monotonic`  programs read them: they get the clocks of the machine whose code runs, or the world's
and their `_ns` kin
`time.gmtime` and `localtime`  without an argument they read the clock: as above. `twisted.web.http` has imported
                               `gmtime` by its name, for the Date of answers: there, too
`time.strftime`, `asctime`,    as above, where they are not told the time
`ctime`
`time.sleep`                   a thread may: it waits in the world's time. A reactor that sleeps serves nobody: error
`time.perf_counter` and kin,   they measure the real machine: error
`clock_gettime`
`random`'s functions,          their state is the real process's: error. A `random.Random` with a seed is free, one
`os.urandom` (and so           without a seed asks the real machine for one: error
`secrets`), `os.getrandom`
threads, by `threading` and    a real thread runs when it likes: error
by `_thread`
processes, by `subprocess`,    they live outside: error
`os.fork` and kin, and
`reactor.spawnProcess`
signals and their handlers     they are the real process's: error
waits for another thread, by   there is none: error. What waits for a bare lock is found by a watchdog: a world in which
`queue`, `join`, conditions    nothing happens for ten real seconds ends
sockets, names of hosts, and   a real socket has a real peer: error
`select`'s functions
the global reactor             whoever finds it has not been given one: error, for each of its public methods
=============================  ===================================================================================

All of it holds for the thread that runs the world, and for no other of the real process.

An error is an `Escape` that names the place which called. It ends the run even where a program catches everything,
because the run looks for it at its end.

What is not caught: real files, for the log's tracebacks read them; `datetime.now` and other readings of the clock from
C; functions that were imported by name before the run (``from time import time``). All of it shows as runs that differ:
that is what ``--check-determinism`` is for.
"""

import _thread
import gc
import importlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from greenlet import getcurrent
from twisted.internet import tcp
from twisted.web import http

from glitchgrid.simulation.clock import EPOCH_NS, SECOND_NS
from glitchgrid.simulation.context import RunContext

_REACTOR = "twisted.internet.reactor"
_LIBRARIES = frozenset({
    __name__, "threading", "queue", "socket", "random", "secrets", "subprocess", "os", "signal",
    "twisted.internet.process", "twisted.internet.posixbase", "twisted.internet.threads",
})  # fmt: skip
_SIGNAL = signal.signal

STILL_S = 10
"""In real time: an event of the world takes thousandths of a second."""


class Escape(Exception):
    """Something in a run reached out of the world."""


def _caller() -> str:
    """The nearest place that is neither here nor in the library whose function was called."""
    return _place(sys._getframe(1))  # noqa: SLF001 - there is no other way to a caller


def _place(frame: Any) -> str:
    while frame.f_back is not None and frame.f_globals.get("__name__") in _LIBRARIES:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"


class _Guard:
    """What the patched functions do."""

    def __init__(self, world: RunContext) -> None:
        self._world = world
        self.escapes: list[str] = []

    def forbid(self, what: str) -> Callable[..., NoReturn]:
        def forbidden(*_arguments: object, **_options: object) -> NoReturn:
            self.escapes.append(f"{what} was used by {_caller()}")
            raise Escape(self.escapes[-1])

        return forbidden

    def wall_ns(self) -> int:
        world = self._world
        current = world.current
        return EPOCH_NS + world.now_ns if current is None else current.clock.wall_ns(world.now_ns)

    def monotonic_ns(self) -> int:
        world = self._world
        current = world.current
        return world.now_ns if current is None else current.clock.monotonic_ns(world.now_ns)

    def monotonic(self) -> float:
        # What programs ask for most often by far: hence no call of `monotonic_ns`.
        world = self._world
        current = world.current
        return (world.now_ns if current is None else current.clock.monotonic_ns(world.now_ns)) / SECOND_NS

    def broken_down(self, original: Callable[[float], Any]) -> Callable[..., Any]:
        return lambda seconds=None: original(self.wall_ns() / SECOND_NS if seconds is None else seconds)

    def told(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Of a function whose last argument is the time: the world's, where it is missing."""

        def in_world(*arguments: Any) -> Any:
            needed = 2 if original is _STRFTIME else 1
            if len(arguments) >= needed:
                return original(*arguments)
            seconds = self.wall_ns() / SECOND_NS
            return original(*arguments, seconds if original is _CTIME else _LOCALTIME(seconds))

        return in_world

    def seed(self, original: Callable[..., None]) -> Callable[..., None]:
        """Of `random.Random`: a seed is asked for."""

        def seed(of: random.Random, a: Any = None, *rest: Any, **options: Any) -> None:
            if a is None:
                self.forbid("random.Random without a seed")()
            original(of, a, *rest, **options)

        return seed

    def sleep(self, seconds: float) -> None:
        current = self._world.current
        if current is None or getcurrent().parent is None:
            self.forbid("time.sleep outside a thread")()
        current.block(int(seconds * SECOND_NS))


_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns")
"""They take no arguments, and are called for every turn of a reactor."""

_LOCALTIME, _STRFTIME, _CTIME = time.localtime, time.strftime, time.ctime
_MEASURES = ("perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "thread_time", "thread_time_ns",
             "clock_gettime", "clock_gettime_ns")  # fmt: skip
_CHANCE = tuple(name for name in random.__all__ if not isinstance(getattr(random, name), type))

_OUTSIDE: tuple[tuple[Any, str, str], ...] = (
    (os, "urandom", "os.urandom"),
    (os, "getrandom", "os.getrandom"),
    (os, "fork", "os.fork"),
    (os, "forkpty", "os.forkpty"),
    *((os, name, f"os.{name}") for name in ("posix_spawn", "posix_spawnp", "system", "kill", "killpg")),
    *((signal, name, f"signal.{name}") for name in ("signal", "set_wakeup_fd", "pause", "sigwait", "pthread_sigmask")),
    (threading.Condition, "wait", "a wait for another thread"),
    (threading.Thread, "join", "a wait for another thread"),
    (subprocess.Popen, "__init__", "a process"),
    (threading.Thread, "start", "a thread"),
    (_thread, "start_new_thread", "a thread"),
    (socket.socket, "__init__", "a socket"),
    *((socket, name, f"socket.{name}") for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")),
    *((select, name, f"select.{name}") for name in ("select", "poll", "epoll")),
)
"""What is an error: of what, under which name, and what it is called."""


def _replacements(guard: _Guard) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """All replacements: the owner, the name of the attribute, and what takes its place."""
    yield time, "time", lambda: guard.wall_ns() / SECOND_NS
    yield time, "time_ns", guard.wall_ns
    yield time, "monotonic", guard.monotonic
    yield time, "monotonic_ns", guard.monotonic_ns
    yield time, "sleep", guard.sleep
    yield time, "gmtime", guard.broken_down(time.gmtime)
    yield time, "localtime", guard.broken_down(time.localtime)
    yield http, "gmtime", guard.broken_down(time.gmtime)
    for name in ("strftime", "asctime", "ctime"):
        yield time, name, guard.told(getattr(time, name))
    for name in _MEASURES:
        yield time, name, guard.forbid(f"time.{name}")
    for name in _CHANCE:
        yield random, name, guard.forbid(f"random.{name}")
    yield random.Random, "seed", guard.seed(random.Random.seed)
    yield random, "_urandom", guard.forbid("os.urandom")
    for owner, name, what in _OUTSIDE:
        yield owner, name, guard.forbid(what)
    # The global reactor is made when it is first imported: that happens here, so that it is not made within the run.
    reactor: Any = importlib.import_module(_REACTOR)
    for name in dir(reactor):
        if not name.startswith("_") and callable(getattr(reactor, name)):
            yield reactor, name, guard.forbid(f"the global reactor, {name} of it,")


@contextmanager
def patched(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """Put something else in the place of an attribute: what `unittest.mock.patch.object` does, which is slow."""
    own = vars(owner)
    has_own, before = name in own, own.get(name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if has_own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


def _patch(owner: Any, name: str, replacement: Callable[..., Any]) -> Any:
    """Replace a function for this thread alone. Other threads of the real process are no part of the run."""
    original = getattr(owner, name)
    ident = threading.get_ident
    inside = ident()

    def either(*arguments: Any, **options: Any) -> Any:
        return (replacement if ident() == inside else original)(*arguments, **options)

    def either_clock() -> Any:
        return replacement() if ident() == inside else original()

    return patched(owner, name, either_clock if owner is time and name in _CLOCKS else either)


class _Reserve:
    """Stands in for Twisted's spare descriptor. Where a process has no descriptor left, Twisted gives the spare one up
    for a moment, to accept a connection and close it. Here each process of the world has a spare one of its own."""

    def __init__(self, world: RunContext) -> None:
        self._world = world

    def available(self) -> bool:
        return self._world.current is not None and not self._world.current.spare_descriptors

    def reserve(self) -> None:
        """There is one from the beginning."""

    def __enter__(self) -> None:
        self._spare(1)

    def __exit__(self, *_: object) -> None:
        self._spare(0)

    def _spare(self, count: int) -> None:
        assert self._world.current is not None, "a port belongs to a process"
        self._world.current.spare_descriptors = count


@contextmanager
def _watched(world: RunContext, guard: _Guard) -> Iterator[None]:
    """Watch from another thread whether events go on; if not, some code waits for something outside the world."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    seen = -1

    def look(_number: int, frame: Any) -> None:
        nonlocal seen
        if world.events == seen and inside:
            guard.escapes.append(
                f"nothing has happened for {STILL_S} s: {_place(frame)} waits for what is not in the world"
            )
            raise Escape(guard.escapes[-1])
        seen = world.events

    inside = True
    before = _SIGNAL(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, STILL_S, STILL_S)
    try:
        yield
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _SIGNAL(signal.SIGALRM, before)


@contextmanager
def contained(world: RunContext) -> Iterator[None]:
    """Run `world` within: nothing gets out.

    The garbage collector waits until it is over, because it runs at any time, and runs code.

    :raises Escape: at the end, if anything tried to get out, whoever has caught the error meanwhile.
    """
    guard = _Guard(world)
    collects = gc.isenabled()
    gc.disable()
    try:
        with ExitStack() as stack:
            for owner, name, replacement in list(_replacements(guard)):
                stack.enter_context(_patch(owner, name, replacement))
            stack.enter_context(patched(tcp, "_reservedFD", _Reserve(world)))
            stack.enter_context(_watched(world, guard))
            yield
    finally:
        if collects:
            gc.enable()
    if guard.escapes:
        raise Escape(guard.escapes[0])
