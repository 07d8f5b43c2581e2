"""How a command runs inside Twisted's reactor: what signals do to it, and what its errors come to."""

import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, NoReturn

from twisted.internet import reactor as _global_reactor
from twisted.internet.defer import CancelledError, Deferred

from glitchgrid.clock import run_on_monotonic_clock
from glitchgrid.commands.ending import CANNOT_SAY, ignore_signals, tell, tell_a_bug
from glitchgrid.commands.printing import drop_output
from glitchgrid.errors import GlitchgridError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what ends a process, and a terminal that was closed."""

Command = Callable[[Any], Coroutine[Any, Any, int]]


def run(command: Command, status_when_stopped: int) -> NoReturn:
    """Run `command(reactor)`, and exit with the status that it returns.

    The first signal cancels it: it gets a CancelledError where it waits, and as long as its ``finally`` clauses take
    to end what it has begun. Further signals change nothing about that.
    """
    running = _Running(_global_reactor, command, status_when_stopped)
    raise SystemExit(running.until_it_ends())


class _Running:
    def __init__(self, reactor: Any, command: Command, status_when_stopped: int) -> None:
        self._reactor = reactor
        self._command = command
        self._status_when_stopped = status_when_stopped
        self._status = CANNOT_SAY
        self._is_told_to_stop = False
        self._running: Deferred[None] | None = None

    def until_it_ends(self) -> int:
        run_on_monotonic_clock(self._reactor)
        self._heed_signals()
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        ignore_signals()  # Twisted has taken our handlers away
        return self._status

    def _begin(self) -> None:
        self._heed_signals()  # Twisted has set handlers of its own
        if not self._is_told_to_stop:
            self._running = Deferred.fromCoroutine(self._run())
            self._running.addBoth(lambda _: self._reactor.stop())
        else:
            self._status = self._status_when_stopped
            self._reactor.stop()

    async def _run(self) -> None:
        try:
            self._status = await self._command(self._reactor)
        except CancelledError:
            self._status = self._status_when_stopped
        except BrokenPipeError:
            drop_output()
        except (GlitchgridError, OSError) as error:
            tell(str(error))
        except Exception as error:  # noqa: BLE001 - a bug, which must not pass for a violation (status 1)
            tell_a_bug(error)

    def _heed_signals(self) -> None:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_told_to_stop:
            self._is_told_to_stop = True
            self._reactor.callFromThread(self._stop)

    def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
