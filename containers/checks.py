"""A line for each check: that it holds, or that it does not, and then what was said instead."""

from collections.abc import Callable
from pathlib import Path

from containers.running import Failed

LINES_MAX = 25
"""So much is shown of what a program has said that failed."""

LABEL_WIDTH = 8


class Checks:
    """:ivar failures: how many have not held."""

    def __init__(self, tell: Callable[[str], object] = print) -> None:
        self._tell = tell
        self.failures = 0

    def say(self, label: str, text: str) -> None:
        self._tell(f"{label:<{LABEL_WIDTH}}{text}")

    def check(self, text: str, attempt: Callable[[], str | None]) -> bool:
        """Does it hold? What the attempt returns is added to its line."""
        try:
            detail = attempt()
        except Failed as error:
            self.failures += 1
            self.say("FAILED", text)
            for line in str(error).splitlines()[-LINES_MAX:]:
                self._tell(f"        | {line}")
            return False
        self.say("ok", f"{text} ({detail})" if detail else text)
        return True

    def must(self, text: str, attempt: Callable[[], str | None]) -> None:
        """As `check`, for what all the rest depends on.

        :raises GivenUp: where it does not hold.
        """
        if not self.check(text, attempt):
            raise GivenUp


class GivenUp(Exception):
    """Without what has just failed nothing further can be tried."""


def quietly(attempt: Callable[[], object]) -> Callable[[], None]:
    """For a check whose line says all: what the attempt returns is not added."""

    def tried() -> None:
        attempt()

    return tried


def gives(expected: str, attempt: Callable[[], str]) -> Callable[[], None]:
    """The attempt returns just that."""

    def compared() -> None:
        found = attempt().strip()
        if found != expected:
            raise Failed(f"expected: {expected}\ngot:      {found}")

    return compared


def gives_one_of(expected: tuple[str, ...], attempt: Callable[[], str]) -> Callable[[], None]:
    """The attempt returns one of these."""

    def compared() -> None:
        found = attempt().strip()
        if found not in expected:
            raise Failed(f"expected: {' or '.join(expected)}\ngot:      {found}")

    return compared


def has_line(line: str, path: Path) -> Callable[[], None]:
    """A file has this line, or one that contains it."""

    def looked() -> None:
        text = path.read_text(encoding="utf-8")
        if not any(line in each for each in text.splitlines()):
            raise Failed(f"there is no line {line!r} in it:\n{text}")

    return looked
