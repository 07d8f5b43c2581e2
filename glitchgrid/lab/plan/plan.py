"""The plan of a run: everything about it that is not chance within it. Drawn before the run, from its seed.

A plan is a JSON file that can be read, edited and run again (`glitchgrid.lab.plan.file`). The draws that remain within
a run (latencies, clients' choices) come from the seed and do not depend on the plan's faults.
"""

import re
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import text, whole, yes_or_no
from glitchgrid.simulation.random_stream import PER_MILLE, RandomStream

FAULTS_MAX = 10_000
HOUR_MS = 3_600_000
LATENCY_US_MAX = 10_000_000
DRIFT_PPM_MAX = 100_000
DISK_SLOWNESS_MAX = 10_000
LOADING_MS_MAX = 5_000
SEED = re.compile(r"[0-9A-Za-z._-]{1,64}")
NUMBERS = 1_000_000


@frozen
class Habits:
    """How the clients of a run behave. A system has a class of its own, with what its clients can do."""


@frozen
class Environment:
    """What stays the same throughout a run, whatever the system is.

    :ivar latency_us: how long a segment usually takes from one machine to another, in microseconds.
    :ivar loss_per_mille: how many of a thousand segments are lost at first, and sent again.
    :ivar cuts_segments: data arrives in pieces of any size.
    :ivar drift_ppm: how far apart the machines' clocks run, in parts per million.
    :ivar disk_slowness: how many times as long as usual an operation of a disk takes.
    :ivar loading_ms: how long a server that is started again takes until its own code runs, in milliseconds.
    :ivar by_name: servers are told the keepers' names, and not their addresses.
    """

    latency_us: int = field(validator=whole(1, LATENCY_US_MAX))
    loss_per_mille: int = field(validator=whole(0, PER_MILLE - 1))
    cuts_segments: bool = field(validator=yes_or_no)
    drift_ppm: int = field(validator=whole(0, DRIFT_PPM_MAX))
    disk_slowness: int = field(validator=whole(1, DISK_SLOWNESS_MAX))
    by_name: bool = field(default=False, validator=yes_or_no)
    loading_ms: int = field(default=0, validator=whole(0, LOADING_MS_MAX))


@frozen
class Planned:
    """One fault, when it begins, and how long it lasts."""

    at_ms: int = field(validator=whole(0, HOUR_MS))
    for_ms: int = field(validator=whole(0, HOUR_MS))
    fault: Fault


def _in_a_row(faults: Sequence[Planned]) -> tuple[Planned, ...]:
    return tuple(faults)


def _not_too_many(_plan: Any, _attribute: Any, faults: Sequence[Planned]) -> None:
    if len(faults) > FAULTS_MAX:
        raise ValueError(f"there are {len(faults)} faults, and {FAULTS_MAX} are the most")


def _seed(_plan: Any, _attribute: Any, seed: Any) -> None:
    """The seed becomes part of the names of files."""
    if type(seed) is not str or not SEED.fullmatch(seed):
        raise ValueError(f"seed is {seed!r}, and not up to 64 letters, digits, dots, dashes and underscores")


@frozen
class FoundWith:
    """What was asked for where a plan was found, so that it can be asked for again.

    :ivar glitch: the deliberate bug that was on; empty for none.
    :ivar oracle: the oracle that had to find something; empty for any.
    """

    glitch: str = field(default="", validator=text)
    oracle: str = field(default="", validator=text)


@frozen
class Plan:
    """:ivar ends_with: in which of its system's ways the run ends."""

    seed: str = field(validator=_seed)
    layout: Layout
    environment: Environment
    habits: Habits
    faults: Sequence[Planned] = field(converter=_in_a_row, validator=_not_too_many)
    ends_with: str = field(validator=text)
    found_with: FoundWith = FoundWith()

    @property
    def breaks(self) -> list[str]:
        """The assumptions of the system that its faults break."""
        return sorted({each.fault.breaks for each in self.faults if each.fault.breaks})


def number_of(seed: str) -> int:
    """The seed as a number, so that neighbouring seeds take turns with things; a hash where the seed is no number."""
    return int(seed) if seed.isdecimal() else RandomStream(f"{seed}:number").below(NUMBERS)
