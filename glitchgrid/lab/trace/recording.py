"""What a run leaves behind for whoever wants to show it, beside its trace."""

from collections.abc import Sequence

from attrs import define, frozen

from glitchgrid.lab.picture.model import Stair
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.simulation.capture import CapturedFlow


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
    """:ivar flows: what was sent and what arrived.
    :ivar stairs: the values that the system's servers held, over time.
    :ivar end_ns: when all that concerns the system was over.
    """

    flows: Sequence[CapturedFlow]
    stairs: Sequence[Stair]
    spans: Sequence[Span]
    end_ns: int
