"""What `_thread` gives to `threading`: threads that are greenlets, and locks on which they wait."""

import _thread
import functools
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.process import Process, Thread
from glitchgrid.simulation.kernel.seam import Patch

START_NS = 20_000
"""What it takes a thread to start, about."""

_SENTINEL, _MAIN_THREAD = object(), object()
"""Under which they are kept, with a thread and with a process."""

_NONE: Mapping[str, Any] = {}

Current = Callable[[], Process | None]
"""The process whose code runs; None outside of all of them."""


class Threads:
    """The functions of `_thread` and `threading` that start threads, tell them apart, and make locks.

    `threading.main_thread` is each process's own.
    """

    def __init__(self, current: Current) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        for owner, name in ((_thread, "start_new_thread"), (threading, "_start_new_thread")):
            yield Patch(owner, name, self.start)
        for module in (_thread, threading):
            yield Patch(module, "get_ident", self.ident)
        yield Patch(threading, "get_native_id", self.ident)
        yield Patch(threading, "_set_sentinel", self.sentinel)
        yield from self.locks()
        yield Patch(threading, "main_thread", self.main_thread)
        yield Patch(threading, "current_thread", self.current_thread)

    def locks(self) -> Iterator[Patch]:
        """What makes locks, and what has some written in C."""
        for owner, name in ((_thread, "allocate_lock"), (threading, "_allocate_lock"), (threading, "Lock")):
            yield Patch(owner, name, lambda: Lock(self._current))
        for owner in (threading, functools):
            yield Patch(owner, "RLock", lambda: threading._PyRLock())  # type: ignore[attr-defined] # noqa: SLF001, PLW0108
        yield Patch(queue, "SimpleQueue", lambda: queue._PySimpleQueue())  # type: ignore[attr-defined] # noqa: SLF001, PLW0108

    def start(
        self, function: Callable[..., object], args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NONE, /
    ) -> int:
        process = self._process()

        def body() -> None:
            try:
                function(*args, **kwargs)
            except SystemExit:
                pass
            finally:
                sentinel = thread.locals.pop(_SENTINEL, None)
                if sentinel is not None and process.alive:
                    sentinel.release()

        thread = process.spawn(body, process.world.rng(f"threads {process.name}").rarely_long(START_NS))
        return thread.ident

    def ident(self) -> int:
        return self._process().thread.ident

    def sentinel(self) -> "Lock":
        """A lock that is let go when the thread whose code runs has ended: what `Thread.join` waits for."""
        lock = self._process().thread.locals[_SENTINEL] = Lock(self._current)
        return lock

    def main_thread(self) -> threading.Thread:
        process = self._process()
        found: threading.Thread | None = process.kept.get(_MAIN_THREAD)
        if found is None:
            found = process.kept[_MAIN_THREAD] = _main_thread(process.main_thread.ident)
        return found

    def forget(self, process: Process) -> None:
        """Let there be one thread, which nobody knows yet: that whose code runs."""
        process.kept.pop(_MAIN_THREAD, None)

    def current_thread(self) -> threading.Thread:
        process = self._process()
        if process.thread is process.main_thread:
            return self.main_thread()
        return _threads_by_ident().get(process.thread.ident) or threading._DummyThread()  # noqa: SLF001

    def _process(self) -> Process:
        process = self._current()
        assert process is not None
        return process


def _threads_by_ident() -> dict[int, threading.Thread]:
    found: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined] # noqa: SLF001
    return found


def _main_thread(ident: int) -> threading.Thread:
    """As `threading` makes the interpreter's own: a thread that nobody has started."""
    made = threading.Thread(name="MainThread", daemon=False)
    made._started.set()  # type: ignore[attr-defined] # noqa: SLF001
    made._ident = ident  # type: ignore[attr-defined] # noqa: SLF001
    made._is_stopped = False  # type: ignore[attr-defined] # noqa: SLF001
    _threads_by_ident()[ident] = made
    return made


class Lock:
    """A lock, handed over in the order in which it was asked for.

    Where nobody holds it, taking it takes no time and lets nobody else run. Nobody waits for one outside of all
    processes: what is held there then will never be let go.
    """

    __slots__ = ("__weakref__", "_current", "_is_held", "_waiting")

    def __init__(self, current: Current) -> None:
        self._current = current
        self._is_held = False
        self._waiting: deque[_Waiting] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        _require_timeout(blocking, timeout)
        if not self._is_held:
            self._is_held = True
            return True
        if not blocking:
            return False
        process = self._current()
        if process is None:
            raise RuntimeError("a lock is held by a process of the world, and nobody outside of it can wait for that")
        return self._wait(process, None if timeout == -1 else int(timeout * SECOND_NS) + 1)

    def _wait(self, process: Process, timeout_ns: int | None) -> bool:
        end_ns = None if timeout_ns is None else process.world.now_ns + process.clock.until(timeout_ns)
        waiting = _Waiting(process, process.thread)
        self._waiting.append(waiting)
        while not waiting.has_it:
            left_ns = None if end_ns is None else end_ns - process.world.now_ns
            if left_ns is not None and left_ns <= 0:
                self._waiting.remove(waiting)
                return False
            process.park(left_ns)
        return True

    def release(self) -> None:
        if not self._is_held:
            raise RuntimeError("release unlocked lock")
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.process.alive:
                waiting.has_it = True
                waiting.process.unpark(waiting.thread)
                return
        self._is_held = False

    def locked(self) -> bool:
        return self._is_held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self._is_held else 'unlocked'} lock of the world>"

    def _at_fork_reinit(self) -> None:
        self._is_held = False
        self._waiting.clear()

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked


class _Waiting:
    """A thread that waits for a lock."""

    __slots__ = ("has_it", "process", "thread")

    def __init__(self, process: Process, thread: Thread) -> None:
        self.process = process
        self.thread = thread
        self.has_it = False


def _require_timeout(blocking: bool, timeout: float) -> None:
    """:raises ValueError: for what `threading.Lock.acquire` refuses, too."""
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")
