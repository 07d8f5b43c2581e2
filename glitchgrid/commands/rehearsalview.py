"""What ``rehearse --system`` shows while it runs: lines as things happen, and a line that says how it goes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from glitchgrid.lab.composer.calls import ENDS_WELL, Call
from glitchgrid.lab.composer.watcher import Watcher
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.rehearsal.counting import Operations

log = Logger()

LOOK_S = 0.5


class Printer(Watcher):
    """Lines as they come: coloured on a terminal, and few in a pipe."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._told: set[str] = set()
        self._going: _Going | None = None

    def line(self, line: str, style: str = "") -> None:
        if self._console.is_terminal:
            self._console.print(line, style=style, markup=False)
        else:
            print(line, flush=True)

    def called(self, call: Call) -> None:
        """Every call on a terminal; in a pipe the first of each command that did not end well."""
        if self._going is not None:
            self._going.calls += 1
        if call.end in ENDS_WELL:
            if self._console.is_terminal:
                self.line(f"  {call.command} {call.end}")
        elif self._console.is_terminal or call.command not in self._told:
            self._told.add(call.command)
            self.line(f"  {call.command} {call.end}: {call.words[-1] if call.words else call.status}", "red")

    def struck(self, fault: Fault, whom: Sequence[str]) -> None:
        if self._going is not None:
            self._going.begun.append(fault)
            self._going.faults += 1
        if self._console.is_terminal:
            self.line(f"  {fault.kind}: {', '.join(whom) or 'all'}", "yellow")

    def healed(self, fault: Fault, whom: Sequence[str]) -> None:
        if self._going is not None and fault in self._going.begun:
            self._going.begun.remove(fault)

    def trouble(self, what: str) -> None:
        """What nobody planned; in a pipe each kind of it once."""
        if self._console.is_terminal or what not in self._told:
            self._told.add(what)
            self.line(f"  {what}", "yellow")

    @contextmanager
    def progress(self, reactor: Any, directory: Path, drivers_s: float, faults: int) -> Iterator[None]:
        """Show how a timeline goes, where somebody looks.

        :param directory: where its clients record what they do.
        :param faults: so many are planned.
        """
        if not self._console.is_terminal:
            yield
            return
        self._going = going = _Going(Operations(directory), reactor.seconds(), drivers_s, faults)
        bar = Progress(TextColumn("{task.fields[said]}"), BarColumn(), console=self._console, transient=True)
        with bar:
            task = bar.add_task("", total=drivers_s, said="machines are made")

            def look() -> None:
                elapsed_s = reactor.seconds() - going.began_s
                bar.update(task, completed=min(elapsed_s, drivers_s), said=going.words(elapsed_s))

            loop = LoopingCall(look)
            loop.clock = reactor
            loop.start(LOOK_S).addErrback(lambda failure: log.failure("the progress is not shown any more", failure))
            try:
                yield
            finally:
                if loop.running:
                    loop.stop()
                self._going = None


class Troubles(Watcher):
    """Tells of what nobody planned, and of nothing else."""

    def __init__(self, out: Printer) -> None:
        self._out = out

    def trouble(self, what: str) -> None:
        self._out.trouble(what)


@define
class _Going:
    """How a timeline goes.

    :ivar begun: faults that last.
    """

    operations: Operations
    began_s: float
    drivers_s: float
    planned: int
    calls: int = 0
    faults: int = 0
    begun: list[Fault] = field(factory=list)

    def words(self, elapsed_s: float) -> str:
        now = ", ".join(fault.kind for fault in self.begun) or "none"
        return (
            f"{elapsed_s:.0f} s, {self.calls} calls, {self.operations.per_s(elapsed_s):.0f} operations a second, "
            f"{self.faults} of {self.planned} faults; now: {now}"
        )
