"""What is said of a run, by whom, and in which words."""

import enum

from attrs import frozen

STATEMENT = "property"
"""The oracle that speaks for what servers state of themselves."""

LOG = "log"
"""A failure that a server has logged, or a line that is critical."""

LIVENESS = "liveness"
"""Somebody waits, and nothing comes."""

HANG = "hang"
"""Nothing goes on in a run, and it does not end."""

RUN = ("determinism", HANG, "Stuck")
"""Oracles of the run itself: it was not the same again, hung, or went round in circles."""


class Verdict(enum.Enum):
    """Of a run whose plan breaks an assumption, "expected broken" is the best that can be said."""

    PASSED = "passed"
    VIOLATION = "violation"
    CANNOT_SAY = "cannot say"
    EXPECTED_BROKEN = "expected broken"


@frozen
class Finding:
    """What is wrong with a run, and which oracle says so.

    :ivar at_ns: when the problem showed, in the run's own time.
    :ivar operations: the numbers of the clients' operations that show it.
    """

    oracle: str
    message: str
    at_ns: int = 0
    operations: tuple[int, ...] = ()


@frozen
class Judgement:
    """What a system's oracles say once a run is over.

    :ivar proves_nothing: too little happened in the run for a verdict of "passed".
    """

    findings: tuple[Finding, ...] = ()
    proves_nothing: bool = False


@frozen
class Oracles:
    """The names of those that judge the runs of a system.

    :ivar outside: see no more than clients and the operating system do.
    :ivar inside: see disks, logs, and what servers state of themselves.
    :ivar excused: what these say of a run is expected once its plan breaks an assumption.
    """

    outside: tuple[str, ...]
    inside: tuple[str, ...]
    excused: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.inside, *self.outside, *RUN)
