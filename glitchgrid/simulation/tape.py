"""Who sent what to whom, and when it arrived: for whoever wants to show a run, and of no influence on it."""

from attrs import define, field, frozen

Address = tuple[str, int]
"""A machine's name, and a port of it."""


@frozen
class Piece:
    """Some bytes, when they were given to the network, or came out of it."""

    at_ns: int
    data: bytes


@define(eq=False)
class Way:
    """One direction of a connection: what is sent comes out in order, or does not come out at all."""

    source: Address
    target: Address
    sent: list[Piece] = field(factory=list)
    arrived: list[Piece] = field(factory=list)


@define(eq=False)
class Tape:
    """:ivar ways: both directions of every connection, in the order in which the connections were made."""

    ways: list[Way] = field(factory=list)

    def way(self, source: Address, target: Address) -> Way:
        made = Way(source, target)
        self.ways.append(made)
        return made
