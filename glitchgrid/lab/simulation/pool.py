"""A thread pool whose threads take turns with the world: each goes on when what it waits for has taken its time."""

from collections import deque
from collections.abc import Callable
from typing import Any

from glitchgrid.lab.simulation.course import Course

THREAD_STARTS_NS = 20_000
"""From the reactor to a thread, usually."""

InThread = Callable[[Callable[[], Any], Callable[..., None]], None]
"""Does some work in a thread, and tells in that thread whether it ended well, and with what."""

_Job = tuple[Callable[..., object] | None, Callable[[], Any]]


class Pool:
    """What programs use of `twisted.python.threadpool.ThreadPool`."""

    def __init__(self, world: Course, name: str, in_thread: InThread, threads_max: int) -> None:
        self._world = world
        self._in_thread = in_thread
        self._threads_max = threads_max
        self._busy = 0
        self._jobs: deque[_Job] = deque()
        self._draws = world.draws(f"pool {name}")
        self._started = False

    def start(self) -> None:
        self._started = True
        self._begin()

    def stop(self) -> None:
        self._started = False

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:
        if maxthreads is not None:
            self._threads_max = maxthreads
            self._begin()

    def callInThread(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.callInThreadWithCallback(None, func, *args, **kwargs)

    def callInThreadWithCallback(
        self, onResult: Callable[..., object] | None, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Do `func` in a thread; `onResult` is told, in that thread, whether it ended well, and with what."""
        self._jobs.append((onResult, lambda: func(*args, **kwargs)))
        self._begin()

    def _begin(self) -> None:
        while self._started and self._jobs and self._busy < self._threads_max:
            self._busy += 1
            on_result, work = self._jobs.popleft()
            delay_ns = self._draws.rarely_long(THREAD_STARTS_NS)
            self._world.after(delay_ns, self._in_thread, work, lambda *outcome, cb=on_result: self._done(cb, outcome))

    def _done(self, on_result: Callable[..., object] | None, outcome: tuple[Any, ...]) -> None:
        self._busy -= 1
        if on_result is not None:
            on_result(*outcome)
        self._begin()
