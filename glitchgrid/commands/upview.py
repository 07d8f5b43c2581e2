"""What ``up`` shows on a terminal: a sentence, a line for each server, the last events; as much as there is room for.

Everything here is text in, text out: `screen` gives lines that fit a terminal of that size, however small.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attrs import field, frozen
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from glitchgrid.lab.register.processes.watch import Happenings, Look
from glitchgrid.sight.grid import Grid
from glitchgrid.sight.members import Control, Vault

GAP = 2
EVENTS_KEPT = 50
GOOD, WARN, BAD, DIM = "green", "yellow", "red", "dim"
FEW_ROWS = 6
"""A terminal with fewer shows the sentence and the servers alone."""


class Marks(NamedTuple):
    """How a server is, in a shape, beside its colour."""

    up: str
    behind: str
    down: str


FULL = Marks("●", "◐", "○")
ASCII = Marks("*", "~", "!")


@frozen
class Row:
    """A server: its mark, its name and what it says stay, and the rest goes from the right where there is no room."""

    mark: str
    style: str
    name: str
    says: str
    more: Sequence[str]
    """In the order of what is given up last."""


@frozen
class View:
    """What there is to see.

    :ivar waiting: while nothing was looked at yet: what is being done.
    :ivar restarts: the names of servers that are down, and in how many seconds each is started again.
    :ivar events: the latest last.
    :ivar notes: lines that stay.
    """

    look: Look | None
    waiting: str = ""
    restarts: Mapping[str, float] = field(factory=dict)
    events: Sequence[str] = ()
    notes: Sequence[str] = ()
    marks: Marks = FULL

    def screen(self, width: int, height: int) -> list[Text]:
        """At most so many lines, each of at most so many cells."""
        head = [*_wrapped(self._headline(), width)]
        if self.look is None:
            return head[:height]
        rows = list(self._rows(self.look))
        room = max(1, height - len(head))
        body = [_line(row, columns, width) for columns in [_columns(rows, width)] for row in self._chosen(rows, room)]
        left = height - len(head) - len(body)
        if height < FEW_ROWS or left <= 0:
            return [*head, *body][:height]
        notes = [line for note in self.notes for line in _wrapped(Text(note, DIM), width)]
        told = [_cut(Text(event), width) for event in self.events]
        parts: list[list[Text]] = []
        for part in (notes, told):  # the notes have the last lines, and the first claim
            fits = part[-max(0, left - 1) :] if left > 1 else []
            if fits:
                parts.insert(0, [Text(), *fits])
                left -= 1 + len(fits)
        gap = [Text()] if left else []
        return [*head, *gap, *body, *(line for part in parts for line in part)]

    def _headline(self) -> Text:
        if self.look is None:
            return Text(self.waiting, "bold")
        grid = self.look.grid
        style = GOOD if grid.serves and not grid.is_degraded else WARN if grid.serves else BAD
        return Text(grid.headline, f"bold {style}")

    def _rows(self, look: Look) -> Iterator[Row]:
        for control in look.grid.controls:
            yield self._control(look, control)
        for vault in look.grid.vaults:
            yield self._vault(look, look.grid, vault)

    def _control(self, look: Look, control: Control) -> Row:
        away = self._away(look, control.name)
        if away is not None:
            return away
        says = f"answers {look.answers[control.name]}"
        style = GOOD if control.serves else BAD
        mark = self.marks.up if control.serves else self.marks.down
        return Row(mark, style, control.name, says, [_rate(look, control.name), *_identity(look, control)])

    def _vault(self, look: Look, grid: Grid, vault: Vault) -> Row:
        away = self._away(look, vault.name)
        if away is not None:
            return away
        lag = grid.lag(vault)
        if not vault.votes:
            more = [_rate(look, vault.name), *_identity(look, vault)]
            return Row(self.marks.behind, WARN, vault.name, f"does not vote: {vault.phase}", more)
        says = f"shows {vault.shown}"
        if vault.disk_failed:
            says += ", its disk has failed"
        elif lag:
            says += f", {lag} behind"
        style = BAD if vault.disk_failed else WARN if lag else GOOD
        mark = self.marks.down if vault.disk_failed else self.marks.behind if lag else self.marks.up
        return Row(mark, style, vault.name, says, [_rate(look, vault.name), *_identity(look, vault)])

    def _away(self, look: Look, name: str) -> Row | None:
        """One that is down, or does not answer."""
        state = look.state(name)
        if state == "up":
            return None
        if state == "no answer":
            return Row(self.marks.down, WARN, name, "does not answer", ["", f"pid {look.processes[name].pid}"])
        again = self.restarts.get(name)
        soon = "" if again is None else f", again in {max(0, again):.0f} s"
        return Row(self.marks.down, BAD, name, f"{state}{soon}", [])

    def _chosen(self, rows: Sequence[Row], room: int) -> Sequence[Row]:
        """All of them; where there is no room, those that are not well first, and a word about the others."""
        if len(rows) <= room:
            return rows
        ranked = sorted(rows, key=lambda row: row.style == GOOD)[: max(0, room - 1)]
        shown = [row for row in rows if row in ranked]
        return [*shown, Row(" ", DIM, f"and {len(rows) - len(shown)} more", "", [])]


def _rate(look: Look, name: str) -> str:
    rate = look.per_s.get(name)
    return "" if rate is None else f"{rate:.0f} request{'' if round(rate) == 1 else 's'}/s"


def _identity(look: Look, member: Control | Vault) -> list[str]:
    return [f"pid {look.processes[member.name].pid}", member.address]


def _columns(rows: Sequence[Row], width: int) -> list[int]:
    """The widths of the columns that fit: name, what it says, and as many more as there is room for."""
    name = max(cell_len(row.name) for row in rows)
    says = max(cell_len(row.says) for row in rows)
    columns = [name, says]
    used = GAP + name + GAP + says
    for number in range(max(len(row.more) for row in rows)):
        more = max(cell_len(row.more[number]) for row in rows if len(row.more) > number)
        if used + GAP + more > width:
            break
        columns.append(more)
        used += GAP + more
    return columns


def _line(row: Row, columns: Sequence[int], width: int) -> Text:
    line = Text(no_wrap=True)
    line.append(f"{row.mark} ", row.style)
    line.append(row.name.ljust(columns[0]))
    line.append(" " * GAP)
    line.append(row.says.ljust(columns[1]), row.style)
    for text, size in zip(row.more, columns[2:], strict=False):
        line.append(" " * GAP)
        line.append(text.ljust(size), DIM)
    line.rstrip()
    return _cut(line, width)


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


def _wrapped(text: Text, width: int) -> Iterator[Text]:
    yield from text.wrap(Console(width=width), max(1, width))


class Events:
    """What has happened between looks, in sentences.

    :ivar told: the last of them.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self._happenings = Happenings()

    def note(self, look: Look, clock: str) -> None:
        """:param clock: the time, as people read it."""
        for sentence in self._happenings.since_the_last(look):
            self.add(sentence, clock)

    def add(self, sentence: str, clock: str) -> None:
        """Something else has happened."""
        self.told.append(f"{clock} {sentence}")
        del self.told[:-EVENTS_KEPT]
