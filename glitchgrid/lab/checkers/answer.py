"""What a search for an order says, and what it may take."""

from attrs import frozen

from glitchgrid.lab.checkers.model import State
from glitchgrid.lab.history.operation import Operation

MEMORY_BYTES = 2**30


@frozen
class Limits:
    """What a search may take.

    :ivar memory_bytes: about so much for its configurations.
    :ivar deadline_s: when it has to end, by `time.monotonic`; None for no limit.
    """

    memory_bytes: int = MEMORY_BYTES
    deadline_s: float | None = None


@frozen
class Found:
    """There is an order, and this is one."""

    order: tuple[Operation, ...]


@frozen
class Stuck:
    """There is no order.

    :ivar operation: the one whose return nothing explains any more.
    :ivar branches: ways to order what had returned before, as far as they go, each with the state it ends in.
    """

    operation: Operation
    branches: "tuple[Branch, ...]"


@frozen
class Branch:
    """An order that explains all that had returned before, and the state that it leaves."""

    order: tuple[Operation, ...]
    state: State


@frozen
class GaveUp:
    """A limit was reached.

    :ivar returned: so many returns, from the first one on, have an order.
    """

    reason: str
    returned: int
