"""Where the demo is played: sentences that stay, and below them, on a terminal, the grid as it is now."""

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from glitchgrid.commands.upview import ASCII, FULL, View
from glitchgrid.lab.register.processes.watch import Look

DRAWN_PER_S = 8
BAR_CELLS = 40


class Stage:
    """:param steps: how many writes the workload makes.
    :param shows_workload: whether its own lines are shown on a terminal.
    """

    def __init__(self, steps: int, *, shows_workload: bool) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._steps = steps
        self._shows_workload = shows_workload
        self._marks = FULL if self._console.encoding.startswith("utf") else ASCII
        self._look: Look | None = None
        self._writes = 0
        self._waits_for = ""
        self._since_s = 0.0
        self._spinner = Spinner("dots" if self._marks is FULL else "line")
        self._listeners: list[Callable[[str], object]] = []
        self._live = Live(
            console=self._console,
            get_renderable=self._drawn,
            refresh_per_second=DRAWN_PER_S,
            transient=True,
            auto_refresh=self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def listen(self, told: Callable[[str], object]) -> None:
        """Tell somebody else each sentence, too."""
        self._listeners.append(told)

    def tell(self, sentence: str) -> None:
        """A line that stays."""
        for told in self._listeners:
            told(sentence)
        if self._console.is_terminal:
            self._console.print(Text(sentence), soft_wrap=False)
        else:
            print(f"demo: {sentence}", flush=True)

    def show_command(self, line: str, what: str) -> None:
        """A command to be run as it stands there, and what it does."""
        if self._console.is_terminal:
            self._console.print(Text.assemble(("  ", ""), (line, "cyan"), ("   # ", "dim"), (what, "dim")))
        else:
            print(f"  {line}   # {what}", flush=True)

    def workload(self, line: str) -> None:
        """A line of the workload's, unchanged. On a terminal it is there for those who want it."""
        if not self._console.is_terminal:
            print(line, flush=True)
        elif self._shows_workload:
            self._console.print(Text(line, "dim"))

    def wait(self, what: str) -> None:
        """Until something else is said, this is being done."""
        if not self._waits_for:
            self._since_s = monotonic()
        self._waits_for = what

    def rest(self) -> None:
        """Nothing is waited for, and the grid is not shown any more until it is looked at again."""
        self._waits_for = ""
        self._look = None

    def look(self, look: Look) -> None:
        """How the grid is now."""
        self._look = look

    def wrote(self, writes: int) -> None:
        """How far the workload is."""
        self._writes = writes

    def _drawn(self) -> RenderableType:
        """Below the sentences."""
        size = self._console.size
        parts: list[RenderableType] = []
        if self._look is not None:
            parts += [Text(), *View(self._look, marks=self._marks).screen(size.width, max(1, size.height - 4))]
        if self._writes and self._look is not None:
            parts.append(self._bar(size.width))
        if self._waits_for:
            self._spinner.update(text=Text(f"{self._waits_for} ... {monotonic() - self._since_s:.0f} s", "dim"))
            parts.append(self._spinner)
        return Group(*parts)

    def _bar(self, width: int) -> RenderableType:
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(1, self._steps), completed=self._writes, width=max(4, min(BAR_CELLS, width - 24)))
        row.add_row(bar, Text(f"{self._writes}/{self._steps} writes", "dim"))
        return row
