"""One call of a test command: a process, its deadline, and how it ended."""

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from time import monotonic_ns
from typing import Any

from attrs import asdict, frozen
from twisted.internet.defer import Deferred

from glitchgrid.lab.child import Child
from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.templates import Command

LINES_KEPT = 5
GREETING = "Assertion output will be sent to: "
"""What the SDK says on standard output, in each process that imports it."""

CALLS = "calls.jsonl"


class Ground:
    """Where test commands run: here, as it is."""

    def enter(self, command: Command) -> Sequence[str]:
        """The command line that runs it where it belongs."""
        return [str(command.path)]

    def began(self, _command: Command, _child: Child) -> None:
        """It runs."""

    def is_up(self, _command: Command) -> bool:
        """Can it be called now? A machine that is down runs nothing."""
        return True

    def has_ended(self, _command: Command, _since_ns: int, _status: int) -> bool:
        """Has that machine's end since then ended the command, too, with this status?"""
        return False


HERE = Ground()


class End(StrEnum):
    """How a call ended. `STOPPED`: an ``eventually_`` command was due, which ends whatever still runs; or its machine
    was killed, and that with it.
    """

    PASSED = "passed"
    FAILED = "failed"
    BROKE = "broke"
    NEVER_ENDED = "never ended"
    STOPPED = "stopped"


ENDS_WELL = frozenset({End.PASSED, End.STOPPED})


@frozen
class Call:
    """:ivar words: its last lines, the last of standard error at the end.
    :ivar began_ns: of the monotonic clock, as `ended_ns` and as the times of histories.
    """

    command: str
    end: End
    status: int
    began_ns: int
    ended_ns: int
    words: tuple[str, ...]


class Running:
    """A call that is running. Its end is written to disk before `ended` fires."""

    def __init__(
        self,
        reactor: Any,
        command: Command,
        environment: Mapping[str, str],
        directory: Path,
        patience_s: float,
        ground: Ground = HERE,
    ) -> None:
        """:raises CannotRun: when it cannot be started."""
        self.command = command
        self._directory = directory
        self._is_late = self._is_stopped = False
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._began_ns = monotonic_ns()
        self._ground = ground
        self._child = Child.start(reactor, ground.enter(command), self._lines.append, **environment)
        ground.began(command, self._child)
        self.ended: Deferred[Call] = self._child.when_ended().addCallback(self._has_ended)
        self._patience_s = patience_s
        self._timer = reactor.callLater(patience_s, self._expire)

    def stop(self) -> None:
        """Kill it and all that it has started, as ``eventually_`` has it."""
        self._is_stopped = self._child.running
        self._child.kill_group()

    def _expire(self) -> None:
        self._is_late = True
        self._child.kill_group()

    def _has_ended(self, status: int) -> Call:
        if self._timer.active():
            self._timer.cancel()
        said = (line for line in (*self._lines, *self._child.errors) if line and not line.startswith(GREETING))
        words = [*said, *([f"it was killed after {self._patience_s:g} s"] if self._is_late else [])][-LINES_KEPT:]
        call = Call(self.command.name, self._end(status), status, self._began_ns, monotonic_ns(), tuple(words))
        lines.append(self._directory / CALLS, asdict(call))
        return call

    def _end(self, status: int) -> End:
        if self._is_late:
            return End.NEVER_ENDED
        if self._is_stopped:
            return End.STOPPED
        if status and self._ground.has_ended(self.command, self._began_ns, status):
            return End.STOPPED
        return {0: End.PASSED, 1: End.FAILED}.get(status, End.BROKE)


def read_calls(directory: Path) -> tuple[Call, ...]:
    """Read the calls of a timeline; none where there is no file.

    :raises CannotRun: for a line that is no call.
    """
    return lines.read(directory / CALLS, _call)


def _call(fields: dict[str, Any]) -> Call:
    return Call(**{**fields, "end": End(fields["end"]), "words": tuple(fields["words"])})
