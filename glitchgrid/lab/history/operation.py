"""Operations of any system, as clients saw them: what was called, what came back, and between which moments."""

import enum
from collections.abc import Hashable
from typing import NamedTuple

from attrs import frozen

OPERATIONS_MAX = 2_000_000
"""So many operations a history may have."""


class Outcome(enum.Enum):
    """How an operation ended, as far as its client can know."""

    OK = "ok"
    """It happened, and the client knows its result."""

    REFUSED = "refused"
    """It did not happen, and its result says something of the state, as a refusal with a reason does."""

    FAILED = "failed"
    """It certainly did not happen, and says nothing else."""

    AMBIGUOUS = "ambiguous"
    """It may take effect at any moment from its call on, or never; its result is not known."""


class _Unknown(enum.Enum):
    UNKNOWN = "?"

    def __repr__(self) -> str:
        return "?"


UNKNOWN = _Unknown.UNKNOWN
"""The result of an operation that has not returned one."""

ANSWERING = frozenset({"read", "get", "dequeue", "pop", "take", "peek"})
"""Functions, by their usual names, that are called for what they return: if that is None, it is worth telling."""


class Operation(NamedTuple):
    """One operation. A tuple, because there may be millions, and nothing is made faster.

    :ivar op: its number, by which people speak of it.
    :ivar client: who called it. One client has one operation at a time.
    :ivar function: its name as a model knows it, such as "write" or "cas".
    :ivar argument: what it was called with; None where the function takes nothing.
    :ivar result: what it returned, or `UNKNOWN`.
    :ivar call_ns: when it was called, on one clock for the whole history.
    :ivar return_ns: when it returned; None for what has not.
    :ivar key: the object that it was called on, where the history has several; else None.
    :ivar line: the line of its file in which it was called; 0 where there is no file.
    """

    op: int
    client: str
    function: str
    argument: Hashable
    result: Hashable
    call_ns: int
    return_ns: int | None
    outcome: Outcome
    key: Hashable = None
    line: int = 0

    def returns(self, value: Hashable) -> bool:
        """Whether the operation can have returned a value: it did, or nobody knows what it returned."""
        return self.result is UNKNOWN or self.result == value


@frozen
class Strike:
    """What was done to the system meanwhile: from when, and until when if that is known."""

    name: str
    begin_ns: int
    end_ns: int | None


@frozen
class History:
    """What clients saw of a system.

    :ivar operations: in the order of their calls.
    :ivar initial: what the object held at the beginning, where the format says so.
    :ivar torn_line: a last line that was left out, because its recorder was killed while it wrote it.
    :ivar strikes: what was done to the system meanwhile, where the format says so.
    :ivar has_times: whether the times are times. Where they are not, events are one millisecond apart.
    """

    operations: tuple[Operation, ...]
    initial: Hashable = None
    torn_line: int | None = None
    strikes: tuple[Strike, ...] = ()
    has_times: bool = True
