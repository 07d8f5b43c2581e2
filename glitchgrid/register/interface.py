"""What a register does."""

from twisted.internet.defer import Deferred
from zope.interface import Interface

from glitchgrid.outcome import ReadOutcome, WriteOutcome

OPERATION_TIMEOUT_S = 4.0
"""The longest that an operation may take. No vault gets longer than that for its answer."""


class IRegister(Interface):
    """A number that clients write and read. Neither Deferred fails but for a bug; both end by a deadline."""

    def start() -> None:
        """Begin, once the reactor runs."""

    def stop() -> None:
        """Leave nothing scheduled."""

    def write(value: int) -> Deferred[WriteOutcome]:
        """Write `value`, 1 or more. Cancelling the Deferred stops nothing: what has begun goes on."""

    def read() -> Deferred[ReadOutcome]:
        """Read the value. Cancelling the Deferred stops nothing: what has begun goes on."""
