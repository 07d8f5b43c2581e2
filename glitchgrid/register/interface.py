"""What a register does."""

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from glitchgrid.outcome import ReadOutcome, WriteOutcome

OPERATION_TIMEOUT_S = 4.0
"""The longest that an operation may take. No vault gets longer than that for its answer."""


OPERATIONS_MAX = 20_000
"""At most so many operations wait at one time: twice the connections, because operations outlast clients that leave."""


class IRegister(Interface):
    """A number that clients write and read. Each operation ends by a deadline.

    They fail by a bug, and with TooManyOperations beyond `OPERATIONS_MAX`: then nothing was begun.
    """

    floor = Attribute("The largest value that is known to be committed; None where nothing is known yet.")

    def start() -> None:
        """Begin, once the reactor runs."""

    def stop() -> None:
        """Leave nothing scheduled."""

    def write(value: int, trace: bytes | None = None) -> Deferred[WriteOutcome]:
        """Write `value`, 1 or more. Cancelling the Deferred stops nothing: what has begun goes on.

        :param trace: the operation's place in a trace, which vaults are told of. Operations that share a request to a
            vault share one place: that of the first of them which has one.
        """

    def read(trace: bytes | None = None) -> Deferred[ReadOutcome]:
        """Read the value. Cancelling the Deferred stops nothing: what has begun goes on."""

    def in_progress() -> dict[str, int]:
        """What is going on: a count for each name. All are 0 when nobody has asked for anything for a while."""
