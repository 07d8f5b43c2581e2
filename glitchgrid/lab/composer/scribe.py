"""Writes down what one sees of servers from outside, so that a picture of it can be drawn.

Of what there is much of a part is kept: so many a second, and how many more there were. The servers' logs have every
line.
"""

from collections.abc import Hashable
from pathlib import Path

from attrs import asdict, define, field

from glitchgrid.lab.composer import lines
from glitchgrid.lab.composer.servers import LIVES, SAID, SENT, Lived, Said, Sent
from glitchgrid.lab.composer.watcher import Watcher

LINES_A_SECOND_MAX = 10
"""Of one server."""

MESSAGES_A_SECOND_MAX = 40
"""Of all of them."""

LINE_CHARS_MAX = 300
SECOND_NS = 1_000_000_000


@define
class _Few:
    """At most so many a second, for each whom."""

    most: int
    _seen: dict[Hashable, tuple[int, int]] = field(factory=dict)

    def admit(self, whom: Hashable, at_ns: int) -> tuple[bool, int]:
        """Whether this one is, and how many were not in the last second that is over and not told of yet."""
        second = at_ns // SECOND_NS
        since, count = self._seen.get(whom, (second, 0))
        is_later = second > since
        over = max(0, count - self.most) if is_later else 0
        count = 1 if is_later else count + 1
        self._seen[whom] = max(second, since), count
        return count <= self.most, over


class Scribe(Watcher):
    """Writes it down, in a timeline's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lines = _Few(LINES_A_SECOND_MAX)
        self._messages = _Few(MESSAGES_A_SECOND_MAX)

    def lived(self, lived: Lived) -> None:
        lines.append(self._directory / LIVES, asdict(lived))

    def said(self, said: Said) -> None:
        is_kept, over = self._lines.admit(said.server, said.at_ns)
        if over:
            self._write(Said(said.at_ns, said.server, f"({over} lines more: see logs/{said.server}.log)"))
        if is_kept:
            self._write(said)

    def sent(self, sent: Sent) -> None:
        is_kept, over = self._messages.admit(None, sent.sent_ns)
        if over:
            self._write(Said(sent.sent_ns, "network", f"(at least {over} messages more are not drawn)"))
        if is_kept:
            lines.append(self._directory / SENT, asdict(sent))

    def _write(self, said: Said) -> None:
        shortened = said.line if len(said.line) <= LINE_CHARS_MAX else f"{said.line[:LINE_CHARS_MAX]} ..."
        lines.append(self._directory / SAID, asdict(said) | {"line": shortened})
