"""The faults of a timeline, as they were done: a file of them, for whoever tells of it."""

from pathlib import Path

from attrs import frozen

from glitchgrid.lab.composer import lines

FAULTS = "faults.jsonl"


@frozen
class Fault:
    """:ivar members: the servers that it is done to, itself or by way of their links.
    :ivar began_ns: of the monotonic clock, as `ended_ns`.
    :ivar text: all of it in words; empty where its kind says all.
    """

    kind: str
    members: tuple[str, ...]
    began_ns: int
    ended_ns: int
    text: str = ""


def read_faults(directory: Path) -> tuple[Fault, ...]:
    """Read the faults of a timeline; none where there is no file.

    :raises CannotRun: for a line that is no fault.
    """
    return lines.read(directory / FAULTS, lambda fields: Fault(**{**fields, "members": tuple(fields["members"])}))
