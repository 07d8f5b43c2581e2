"""What one sees of servers from outside, in files of a timeline: when they lived, what they said, what they sent."""

from pathlib import Path

from attrs import frozen

from glitchgrid.lab.composer import lines

LIVES, SAID, SENT = "lives.jsonl", "said.jsonl", "sent.jsonl"


@frozen
class Lived:
    """A process of a server. Times are of the monotonic clock, as all here."""

    server: str
    from_ns: int
    to_ns: int


@frozen
class Said:
    """A line of its output."""

    at_ns: int
    server: str
    line: str


@frozen
class Sent:
    """Something that went over a link. :ivar arrived_ns: None where it was lost on its way."""

    source: str
    target: str
    sent_ns: int
    arrived_ns: int | None
    text: str


def read_lives(directory: Path) -> tuple[Lived, ...]:
    """None where nobody has written any.

    :raises CannotRun: for a line that is no such thing; so do the others here.
    """
    return lines.read(directory / LIVES, lambda fields: Lived(**fields))


def read_said(directory: Path) -> tuple[Said, ...]:
    return lines.read(directory / SAID, lambda fields: Said(**fields))


def read_sent(directory: Path) -> tuple[Sent, ...]:
    return lines.read(directory / SENT, lambda fields: Sent(**fields))
