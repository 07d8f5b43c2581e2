"""How long a client may take: a minute without a word between two requests, ten seconds from first byte to last.

Twisted has the first of these limits, and not the second: one byte every half second would keep a connection open.
"""

from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from glitchgrid.errors import BadRequest, RequestError, RequestTimeout
from glitchgrid.http.head import may_begin_a_request
from glitchgrid.http.sending import SendingChannel

REQUEST_TIMEOUT_S = 10.0
"""A request that is not complete so long after its first byte is answered 408, and its connection closed."""


ABORT_S = 15.0
"""A client that was idle, and does not take the end of its connection, is cut off so much later."""


class TimedSite(Protocol):
    """What a channel with timers needs of its site."""

    reactor: IReactorTime


class TimedChannel(SendingChannel):
    """A connection that watches the time of its client."""

    site: TimedSite
    timeOut: int | None
    requests: list[Any]

    __slots__ = ("_answering", "_timer")  # see `glitchgrid.http.channel.Channel`

    def __init__(self) -> None:
        super().__init__()
        self._answering = False
        self._timer: IDelayedCall | None = None

    def refuse(self, error: RequestError) -> None:
        """Answer out of turn, take nothing more from this client, and close."""
        raise NotImplementedError

    def _watch_the_time(self, half_a_line: bytes) -> None:
        """Start the timer of a request that has begun to arrive, even if only half a line has come."""
        if self._timer is not None or not (self.requests or half_a_line):
            return
        if not self.requests and not may_begin_a_request(half_a_line):
            self.refuse(BadRequest())
            return
        self._timer = self.site.reactor.callLater(REQUEST_TIMEOUT_S, self._out_of_time)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _out_of_time(self) -> None:
        self._timer = None
        self.refuse(RequestTimeout())

    # Twisted cancels the idle timer for each request, and sets another behind its answer.

    def setTimeout(self, period: int | None) -> int | None:
        if period is None and self._answering:
            return self.timeOut
        before: int | None = super().setTimeout(period)
        return before

    def timeoutConnection(self) -> None:
        """Nothing has come for too long. Twisted's own has a line in the log for each, and clients are many."""
        if self._answering:
            self.setTimeout(self.timeOut)
            return
        self.loseConnection()
        if self._timer is None:
            self._timer = self.site.reactor.callLater(ABORT_S, self._cut)

    def _cut(self) -> None:
        self._timer = None
        self.transport.abortConnection()
