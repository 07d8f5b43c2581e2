"""What is explored of the intact protocol: who writes and reads where, and what may fail how often.

A *name* says what each of the two controls is asked, in any order and at any time: `w1r|w2r` is write 1 and a read at
control 1, write 2 and a read at control 2. Swapping the controls gives nothing new.
"""

from glitchgrid.value import VALUE_MAX
from tests.exploration.history import Operation
from tests.exploration.world import Instance

FULL = ("w1rr|w2", "w1r|w2r", "w1|w2rr", "w1w2r|r", "w1w2|rr")
"""Two writes and two reads from two controls: all five ways, the longest first."""

SMALL = ("w1w2|r", "w1|w2r", "w1r|w2", "w1|rr", "w1r|r")
"""What continuous integration explores."""


def operations(name: str) -> tuple[Operation, ...]:
    """The operations of an instance, by its name."""
    found: list[Operation] = []
    for control, asked in enumerate(name.split("|")):
        for letter in asked.replace("w", ""):
            value = None if letter == "r" else int(letter)
            assert value is None or value <= VALUE_MAX
            found.append(Operation(control, value))
    return tuple(sorted(found, key=lambda each: each.value or VALUE_MAX))


def instance(name: str, time_outs: int = 0, failed_syncs: int = 0, recovers_at_start: bool = False) -> Instance:
    return Instance(operations(name), 3, time_outs, failed_syncs, recovers_at_start)
