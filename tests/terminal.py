"""A terminal of any size in which a command runs, and what it shows: for tests, and for the documentation's pictures.

``python -m tests.terminal OUT.svg COLUMNSxROWS SECONDS COMMAND ...`` runs a command, ends it by Ctrl-C after so many
seconds if it has not ended by itself, and writes what was on the screen.
"""

import fcntl
import io
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

READ_BYTES = 65536
POLL_S = 0.02
ENDS_WITHIN_S = 10.0
LINES_KEPT = 1000
NAMES = {"default": None, "brown": "yellow"}
"""Where pyte's names of colours are not rich's."""


class Terminal:
    """:param command: runs in a session of its own, whose terminal this is."""

    def __init__(self, columns: int, rows: int, *command: str) -> None:
        self._screen = pyte.HistoryScreen(columns, rows, history=LINES_KEPT)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = os.openpty()
        self._set_size(columns, rows)
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        for name in ("COLUMNS", "LINES", "CI", "NO_COLOR"):
            environment.pop(name, None)
        self._began_s = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    @property
    def lines(self) -> list[str]:
        """What is on the screen, without the spaces at the ends of lines."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def shown_for_s(self) -> float:
        return time.monotonic() - self._began_s

    def resize(self, columns: int, rows: int) -> None:
        """As a user does with the mouse."""
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def look_until(self, is_there: Callable[[str], bool], timeout_s: float) -> float:
        """Until the screen, as one text, is so. Returns how long the command had run by then, in seconds.

        :raises AssertionError: where it does not become so in time, with what is there instead.
        """
        end_s = time.monotonic() + timeout_s
        while not is_there("\n".join(self.lines)):
            if time.monotonic() > end_s or not self._took():
                shown = "\n".join(self.lines)
                raise AssertionError(f"not within {timeout_s:g} s; there is:\n{shown}")
        return self.shown_for_s

    def look(self, for_s: float) -> bool:
        """Take what it shows for so long. Returns whether it goes on then."""
        end_s = time.monotonic() + for_s
        while time.monotonic() < end_s:
            if not self._took():
                return False
        return True

    def svg(self, title: str) -> str:
        """Whatever it has shown that is still there, above the screen too."""
        rows = [*self._screen.history.top, *(self._screen.buffer[row] for row in range(self._screen.lines))]
        lines = [_text(row, self._screen.columns) for row in rows]
        while lines and not lines[-1].plain.strip():
            lines.pop()
        console = Console(record=True, width=self._screen.columns, file=io.StringIO(), force_terminal=True)
        console.print(Text("\n").join(lines), soft_wrap=True)
        # A picture that asks a network for its letters would look otherwise without one.
        return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)

    def _took(self) -> bool:
        """Take what there is, waiting a little. Returns whether there may be more."""
        ready, _, _ = select.select([self._ours], [], [], POLL_S)
        if not ready:
            return True
        try:
            self._stream.feed(os.read(self._ours, READ_BYTES))
        except OSError:  # nobody has the other end any more
            return False
        return True

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _text(row: Any, columns: int) -> Text:
    line = Text()
    for column in range(columns):
        cell = row[column]
        style = Style(
            color=_colour(cell.fg),
            bgcolor=_colour(cell.bg),
            bold=cell.bold,
            italic=cell.italics,
            underline=cell.underscore,
            reverse=cell.reverse,
        )
        line.append(cell.data, style)
    line.rstrip()
    return line


def _colour(name: str) -> Color | None:
    """A colour by pyte's name, or by six hexadecimal digits."""
    if re.fullmatch("[0-9a-f]{6}", name):
        return Color.parse(f"#{name}")
    name = NAMES.get(name, name) or ""
    bright = name.startswith("bright")
    return Color.parse(f"bright_{name.removeprefix('bright')}" if bright else name) if name else None


def main(out: str, size: str, seconds: str, command: Sequence[str]) -> None:
    columns, rows = map(int, size.split("x"))
    with Terminal(columns, rows, *command) as terminal:
        is_running = terminal.look(float(seconds))
        picture = terminal.svg(" ".join(["$", Path(command[0]).name, *command[1:]]))
        if is_running:
            terminal.interrupt()
            terminal.look(ENDS_WITHIN_S)
    Path(out).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
