"""A thread pool whose threads take turns with the world: each goes on when what it waits for has taken its time."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from glitchgrid.simulation.context import RunContext

THREAD_STARTS_NS = 20_000
"""From the reactor to a thread, usually."""

InThread = Callable[[Callable[[], Any], Callable[..., None]], None]
"""Does some work in a thread, and tells in that thread whether it ended well, and with what."""

_Job = tuple[Callable[..., object] | None, Callable[[], Any]]


class Pool:
    """What programs use of `twisted.python.threadpool.ThreadPool`.

    :ivar threads: those that are at work. Whoever takes them out is not kept from stopping by them.
    """

    def __init__(
        self,
        world: RunContext,
        name: str,
        in_thread: InThread,
        wait_for: Callable[[Callable[[], bool]], None],
        threads_max: int,
    ) -> None:
        self._world = world
        self._in_thread = in_thread
        self._wait_for = wait_for
        self.threads: list[int] = []
        self._threads_max = threads_max
        self._busy = self._begun = 0
        self._jobs: deque[_Job] = deque()
        self._rng = world.rng(f"pool {name}")
        self._started = False

    def start(self) -> None:
        self._started = True
        self._begin()

    def stop(self) -> None:
        """Take nothing more, and wait for the threads that are in `threads`: as Twisted's does."""
        self._started = False
        if self.threads:
            self._wait_for(lambda: not self.threads)

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
            self._begun += 1
            self.threads.append(self._begun)
            on_result, work = self._jobs.popleft()
            delay_ns = self._rng.rarely_long(THREAD_STARTS_NS)
            done = partial(self._done, self._begun, on_result)
            self._world.after(delay_ns, self._in_thread, work, done)

    def _done(self, thread: int, on_result: Callable[..., object] | None, *outcome: Any) -> None:
        self._busy -= 1
        if thread in self.threads:
            self.threads.remove(thread)
        if on_result is not None:
            on_result(*outcome)
        self._begin()
