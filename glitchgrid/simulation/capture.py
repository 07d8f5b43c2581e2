"""Records what was sent over each connection, and when it arrived, so that a run can be shown. It changes nothing."""

from attrs import define, field, frozen

Address = tuple[str, int]
"""A machine's name, and a port of it."""


@frozen
class Piece:
    """Some bytes, when they were given to the network, or came out of it."""

    at_ns: int
    data: bytes


@define(eq=False)
class CapturedFlow:
    """One direction of a connection: what is sent comes out in order, or does not come out at all."""

    source: Address
    target: Address
    sent: list[Piece] = field(factory=list)
    arrived: list[Piece] = field(factory=list)


@define(eq=False)
class Capture:
    """:ivar flows: both directions of every connection, in the order in which the connections were made."""

    flows: list[CapturedFlow] = field(factory=list)

    def add(self, source: Address, target: Address) -> CapturedFlow:
        made = CapturedFlow(source, target)
        self.flows.append(made)
        return made
