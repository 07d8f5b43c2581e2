"""A thread pool whose threads take turns with the world: each goes on when what it waits for has taken its time."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glitchgrid.lab.simulation.process import Process

THREAD_STARTS_NS = 20_000
"""From the reactor to a thread, usually."""

_Job = tuple[Callable[..., object] | None, Callable[[], Any]]


class Pool:
    """What programs use of `twisted.python.threadpool.ThreadPool`."""

    def __init__(self, process: "Process", threads_max: int) -> None:
        self._process = process
        self._threads_max = threads_max
        self._busy = 0
        self._jobs: deque[_Job] = deque()
        self._draws = process.world.draws(f"pool {process.name}")
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
        process = self._process
        while self._started and self._jobs and self._busy < self._threads_max:
            self._busy += 1
            on_result, work = self._jobs.popleft()
            delay_ns = self._draws.rarely_long(THREAD_STARTS_NS)
            process.world.after(
                delay_ns, process.in_thread, work, lambda *outcome, cb=on_result: self._done(cb, outcome)
            )

    def _done(self, on_result: Callable[..., object] | None, outcome: tuple[Any, ...]) -> None:
        self._busy -= 1
        if on_result is not None:
            on_result(*outcome)
        self._begin()
