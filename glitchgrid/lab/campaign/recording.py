"""What a run leaves behind for whoever wants to show it, beside its trace."""

from collections.abc import Sequence

from attrs import define, frozen

from glitchgrid.lab.campaign.invariant import Change
from glitchgrid.lab.campaign.plan import Planned
from glitchgrid.simulation.tape import Way


@define
class Span:
    """A fault that has begun; `end_ns` is None until it has ended.

    :ivar was_idle: it found nothing to do.
    """

    planned: Planned
    begin_ns: int
    was_idle: bool
    end_ns: int | None = None


@frozen
class Recording:
    """:ivar ways: what was sent and what arrived.
    :ivar changes: what the vaults held and showed.
    :ivar end_ns: when all that concerns the grid was over.
    """

    ways: Sequence[Way]
    changes: Sequence[Change]
    spans: Sequence[Span]
    end_ns: int
