"""Signals, timers, and what processes know of each other: `signal`, and the half of `os` that is about processes."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.event_queue import Event
from glitchgrid.simulation.kernel.descriptors import Table, error
from glitchgrid.simulation.kernel.process import Handler, Process
from glitchgrid.simulation.kernel.seam import Patch

FIRST_PARENT = 1
"""The parent of whom the world has started, and of those whose parent has ended."""

_TIMER, _MASK = object(), object()
"""Under which a process keeps them."""


class Signals:
    """:param current: the process whose code runs, and its descriptors.
    :param processes: all that there are, the ended ones too.
    """

    def __init__(self, current: Callable[[], tuple[Process, Table]], processes: Callable[[], list[Process]]) -> None:
        self._current = current
        self._processes = processes

    def patches(self) -> Iterator[Patch]:
        yield Patch(signal, "signal", self.signal)
        yield Patch(signal, "getsignal", self.getsignal)
        yield Patch(signal, "siginterrupt", lambda _number, _flag: None)
        yield Patch(signal, "set_wakeup_fd", self.set_wakeup_fd)
        yield Patch(signal, "raise_signal", self.raise_signal)
        yield Patch(signal, "alarm", self.alarm)
        yield Patch(signal, "setitimer", self.setitimer)
        yield Patch(signal, "getitimer", lambda _which: self._timer())
        yield Patch(signal, "pause", self.pause)
        yield Patch(signal, "pthread_sigmask", self.pthread_sigmask)
        yield Patch(signal, "pthread_kill", self.pthread_kill)
        yield Patch(os, "kill", self.kill)
        yield Patch(os, "killpg", self.kill)
        yield Patch(os, "abort", lambda: self._process.exit(-signal.SIGABRT))
        yield Patch(os, "_exit", self.exit)
        yield Patch(os, "getpid", lambda: self._process.pid)
        yield Patch(os, "getppid", self.getppid)
        yield Patch(os, "getpgid", lambda pid: pid or self._process.pid)
        yield Patch(os, "getpgrp", lambda: self._process.pid)
        yield Patch(os, "getsid", lambda pid: pid or self._process.pid)
        yield Patch(os, "setsid", lambda: self._process.pid)
        yield Patch(os, "setpgid", lambda _pid, _group: None)
        yield Patch(os, "cpu_count", lambda: 1)
        yield Patch(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
        yield Patch(os, "sched_yield", lambda: self._process.sleep(self._process.host.turn_ns()))

    @property
    def _process(self) -> Process:
        return self._current()[0]

    def signal(self, number: int, handler: Handler, /) -> Handler:
        process = self._process
        if process.thread is not process.main_thread:
            raise ValueError("signal only works in main thread of the main interpreter")
        if not callable(handler) and handler not in {signal.SIG_DFL, signal.SIG_IGN}:
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        if number in {signal.SIGKILL, signal.SIGSTOP}:
            raise error(errno.EINVAL)
        before = process.handler(number)
        process.handlers[number] = handler
        return before

    def getsignal(self, number: int, /) -> Handler:
        return self._process.handler(number)

    def raise_signal(self, number: int, /) -> None:
        self._process.kill(number)

    def pthread_kill(self, _ident: int, number: int, /) -> None:
        self._process.kill(number)

    def pause(self) -> None:
        self._process.pause_for_signal()

    def abort(self) -> None:
        self._process.exit(-signal.SIGABRT)

    def exit(self, status: int, /) -> None:
        self._process.exit(status & 0xFF)

    def set_wakeup_fd(self, fd: int, *, warn_on_full_buffer: bool = True) -> int:
        process, table = self._current()
        before = process.kept.get(_WAKEUP, (-1, None))[0]
        if fd >= 0:
            file = table.file(fd)
            if file.is_blocking:
                raise ValueError(f"the fd {fd} must be in non-blocking mode")
            process.told_of_signals = lambda number: _write(file.write, number)
        else:
            process.told_of_signals = None
        process.kept[_WAKEUP] = fd, warn_on_full_buffer
        return cast("int", before)

    def kill(self, pid: int, number: int, /) -> None:
        """:raises OSError: ESRCH where this machine has no such process."""
        sender = self._process
        found = next((each for each in self._processes() if each.pid == abs(pid) and each.host is sender.host), None)
        if found is None or (not found.alive and not found.is_awaited):
            raise error(errno.ESRCH)
        if number:
            found.kill(number)

    def getppid(self) -> int:
        parent = self._process.parent
        return parent.pid if parent is not None and parent.alive else FIRST_PARENT

    def alarm(self, seconds: int, /) -> int:
        left_s, _ = self.setitimer(signal.ITIMER_REAL, seconds)
        return round(left_s)

    def setitimer(self, which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
        """:raises NotImplementedError: for timers that count a processor's time, which the world does not."""
        if which != signal.ITIMER_REAL:
            raise NotImplementedError("timers of a processor's time are not modelled: nothing that runs takes any")
        before = self._timer()
        process = self._process
        event, _ = process.kept.get(_TIMER, (None, 0.0))
        if event is not None:
            event.cancel()
        process.kept[_TIMER] = self._ring_after(process, seconds, interval), interval
        return before

    def _ring_after(self, process: Process, seconds: float, interval: float) -> Event | None:
        if not seconds:
            return None

        def ring() -> None:
            process.kept[_TIMER] = self._ring_after(process, interval, interval), interval
            process.kill(signal.SIGALRM)

        return process.world.after(process.clock.until(int(seconds * SECOND_NS)), ring)

    def _timer(self) -> tuple[float, float]:
        process = self._process
        event, interval = process.kept.get(_TIMER, (None, 0.0))
        return (0.0 if event is None else max(0, event[0] - process.world.now_ns) / SECOND_NS), interval

    def pthread_sigmask(self, how: int, mask: Any, /) -> set[int]:
        """Kept, and not followed: nothing that waits is broken off by a signal anyway."""
        process = self._process
        before: set[int] = process.kept.get(_MASK, set())
        given = set(mask)
        after = {
            int(signal.SIG_BLOCK): before | given,
            int(signal.SIG_UNBLOCK): before - given,
            int(signal.SIG_SETMASK): given,
        }
        process.kept[_MASK] = after[how]
        return before


_WAKEUP = object()


def _write(write: Callable[[bytes], int], number: int) -> None:
    with suppress(OSError):  # it is full, or nobody reads: who wanted to be woken is awake, or gone
        write(bytes([number]))
