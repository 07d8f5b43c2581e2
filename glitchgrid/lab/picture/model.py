"""What a picture shows. Times are whole nanoseconds since the run's beginning, on one clock."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Self

from attrs import frozen


class LaneKind(StrEnum):
    """What a lane shows: a client, a server, a server that keeps something on its disk (`KEEPER`), or a value that
    several servers hold together (`SUMMARY`), which belongs to no process."""

    CLIENT = "client"
    SERVER = "server"
    SUMMARY = "summary"
    KEEPER = "keeper"


class Tone(StrEnum):
    """How a message is drawn."""

    PLAIN = "plain"
    REFUSAL = "refusal"
    FAILURE = "failure"


DURABLE, SHOWN = "durable", "shown"
"""The two staircases that a lane may have: drawn in full, and dashed."""


@frozen
class Lane:
    name: str
    kind: LaneKind


@frozen
class Life:
    """A process, from its start to its end; `to_ns` is None for one that outlived the run."""

    lane: str
    from_ns: int
    to_ns: int | None


@frozen
class Operation:
    """What a client asked for. `returned_ns` is None where it never heard.

    :ivar kind: "read" or "write".
    :ivar outcome: "ok", "decreases", "ambiguous", "failed" or "open", as the history has it.
    :ivar is_wrong: it shows what is wrong with the run.
    :ivar is_outside: the order that was found does not go so far.
    """

    lane: str
    op: int
    kind: str
    text: str
    detail: str
    called_ns: int
    returned_ns: int | None
    outcome: str
    is_wrong: bool = False
    is_outside: bool = False


@frozen
class Message:
    """From one lane to another. `arrived_ns` is None for one that never arrives; it is drawn until `lost_ns`."""

    source: str
    target: str
    sent_ns: int
    arrived_ns: int | None
    lost_ns: int
    text: str
    detail: str
    tone: Tone = Tone.PLAIN


@frozen
class Fault:
    """:ivar lanes: whom it is done to.
    :ivar was_idle: it found nothing to do.
    """

    lanes: Sequence[str]
    kind: str
    text: str
    begin_ns: int
    end_ns: int
    was_idle: bool = False


@frozen
class Stair:
    """A value over time: each step is a time, and what it is from then on.

    :ivar name: `DURABLE` or `SHOWN`.
    """

    lane: str
    name: str
    steps: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, lane: str, name: str, values: Iterable[tuple[int, int]]) -> Self:
        """Make a staircase of a value at many times: there is a step wherever the value changes."""
        steps: list[tuple[int, int]] = []
        for at_ns, value in values:
            if not steps or steps[-1][1] != value:
                steps.append((at_ns, value))
        return cls(lane, name, steps)


@frozen
class Mark:
    """Where something was found to be wrong, and by whom."""

    at_ns: int
    oracle: str
    text: str


class TraceLine(NamedTuple):
    """Something that happened. `meaning` says it shorter, or in other words, where there are any."""

    at_ns: int
    who: str
    what: str
    meaning: str = ""


@frozen
class Picture:
    """:ivar notes: what stands above it, a line each: how it ended, the line that replays it.
    :ivar trace: everything that happened, in its order.
    """

    title: str
    notes: Sequence[str]
    duration_ns: int
    lanes: Sequence[Lane]
    lives: Sequence[Life]
    operations: Sequence[Operation]
    messages: Sequence[Message]
    faults: Sequence[Fault]
    stairs: Sequence[Stair]
    marks: Sequence[Mark]
    trace: Sequence[TraceLine]
