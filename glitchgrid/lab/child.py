"""A child process that never outlives this one.

Each child asks the kernel (``setpriv --pdeathsig``) to be killed when its parent dies, so that not even
``kill -9`` of the parent leaves one behind. Twisted's ``procmon`` is not used: it starts what has died at once,
and nobody could watch a grid with a vault down.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.python.procutils import which

from glitchgrid.lab.errors import CannotRun

LINES_KEPT = 20
LAST_WORDS_S = 0.5
"""So long the output of what was killed is read, if somebody else keeps it open."""

LINE_BYTES_MAX = 1_000_000
"""Of a longer line the end alone is told. A campaign's verdict, as JSON, is one line."""

LineReceiver = Callable[[str], None]


class Child(ProcessProtocol):
    """One run of a program: `start` it, `signal` it, wait until it has ended.

    :param on_line: called with each line of its standard output, without the line's end.
    """

    def __init__(self, on_line: LineReceiver) -> None:
        self._on_line = on_line
        self._partial = {1: b"", 2: b""}
        self.errors: deque[str] = deque(maxlen=LINES_KEPT)
        self._waiters: list[Deferred[int]] = []
        self._status = 0
        self.running = True
        self.how_it_ended = ""
        self._group = 0
        self._reactor: Any = None
        self._is_killed = False
        self._losing: IDelayedCall | None = None

    @classmethod
    def start(cls, reactor: Any, argv: Sequence[str], on_line: LineReceiver, **environment: str) -> "Child":
        """Run `argv` with this process's environment and what is added to it.

        In a process group of its own: what a terminal tells its group by Ctrl-C is ours to hear, and to act on.

        :raises CannotRun: when setpriv or setsid is missing.
        """
        guarded = [_tool("setsid"), _tool("setpriv"), "--pdeathsig", "KILL", "--", *argv]
        child = cls(on_line)
        child._reactor = reactor
        reactor.spawnProcess(child, guarded[0], guarded, env=os.environ | environment)
        return child

    @property
    def pid(self) -> int:
        """0 once it has been waited for: that is nobody's, and for kill(2) one's own group."""
        return int(self.transport.pid or 0) if self.transport is not None else 0

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it has started, unless it has ended."""
        if not self.running or not self._group:
            return
        try:
            # Once it has been waited for, its number may be another's, if nobody of its group is left.
            if self.pid or not Path(f"/proc/{self._group}").exists():
                os.killpg(self._group, number)
        except ProcessLookupError:  # it is not far enough yet to have a group, or there is none any more
            self.signal(number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the child has ended already; what it has left may hold its output open."""
        pid = self.pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_group(self) -> None:
        """Kill it and all that it has started, unless it has ended. Whoever else has its output is not waited for."""
        self.signal_group(signal.SIGKILL)
        self._is_killed = True
        if self.running and not self.pid:
            self._lose_output()

    def when_ended(self) -> Deferred[int]:
        """Fires with its exit status, or with the negative number of the signal that ended it."""
        if not self.running:
            return succeed(self._status)
        waiter: Deferred[int] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def connectionMade(self) -> None:
        self._group = self.pid
        self.transport.closeStdin()  # type: ignore[union-attr]

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, rest = (self._partial[childFD] + data).split(b"\n")
        self._partial[childFD] = rest[-LINE_BYTES_MAX:]
        for line in lines:
            self._line(childFD, line)

    def processExited(self, reason: Failure) -> None:
        """What it said last may be on its way still."""
        if self._is_killed:
            self._losing = self._reactor.callLater(LAST_WORDS_S, self._lose_output)

    def _lose_output(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        self.running = False
        if self._losing is not None and self._losing.active():
            self._losing.cancel()
        for descriptor, rest in self._partial.items():
            if rest:
                self._line(descriptor, rest)
        error = reason.value
        status = error.exitCode if isinstance(error, ProcessTerminated) else 0
        killer = error.signal if isinstance(error, ProcessTerminated) else None
        self.how_it_ended = f"killed by {signal.Signals(killer).name}" if killer else f"exit status {status}"
        self._status = -killer if killer else status or 0
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(self._status)

    def _line(self, descriptor: int, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if descriptor == 1:
            self._on_line(text)
        else:
            self.errors.append(text)


def _tool(name: str) -> str:
    found: list[str] = which(name)
    if not found:
        raise CannotRun(f"{name} is missing (Debian: apt-get install util-linux)")
    return found[0]
