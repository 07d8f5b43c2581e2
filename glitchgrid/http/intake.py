"""How fast a client's requests are read: no faster than they are answered, and than the client reads the answers.

While a request is answered, and while its client does not take its answers, the parser is `paused`: what comes
meanwhile waits in its buffer, and beyond `UNPARSED_BYTES_MAX` in the kernel's, where it is the client that waits.
Without that the answers to a client who never reads them would fill the memory.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from glitchgrid.errors import BadRequest
from glitchgrid.http.timing import TimedChannel

PIPELINED_MAX = 16
"""So many requests of one connection are answered in one turn of the reactor; then it is the others' turn."""

UNPARSED_BYTES_MAX = 16_384
"""A client that has sent more than this behind a request waits until that is answered."""


@implementer(IHalfCloseableProtocol)
class PacedChannel(TimedChannel):
    """A connection that reads no more requests than it can answer."""

    factory: Any
    transport: Any
    _buffer: bytes  # LineReceiver's: what has come and is not parsed

    __slots__ = (  # see `glitchgrid.http.channel.Channel`
        "_answered",
        "_backed_up",
        "_ended",
        "_next_turn",
        "_parsing",
        "_refused",
        "paused",
    )

    def __init__(self) -> None:
        super().__init__()
        self.paused = False  # LineReceiver's
        self._answered = 0  # in this turn of the reactor
        self._backed_up = False  # the client does not take what it is sent
        self._ended = False  # the client sends nothing more
        self._refused = False
        self._parsing = False
        self._next_turn: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        self._answered = 0
        self._parsing = True
        super().dataReceived(data)
        self._parsing = False
        if self._buffer or self._ended or (self.requests and not self._answering):
            self._see_what_is_left()

    def setLineMode(self, extra: bytes = b"") -> None:
        """Called after an answer. `extra` came behind the request's body, so it goes before all that came later."""
        self.line_mode = 1
        if extra:
            self._buffer = extra + self._buffer

    def pauseProducing(self) -> None:
        """The transport has more to send than it should."""
        self._backed_up = self.paused = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The transport has sent all that it had."""
        self._backed_up = False
        super().resumeProducing()
        if not self._answering and self._next_turn is None:
            self._go_on()

    def readConnectionLost(self) -> None:
        """The client sends nothing more, but may still read (RFC 9112, section 9.6): it gets what it has asked for."""
        self._ended = True
        if self._refused:
            self.transport.loseConnection()  # it has heard, or does not want to: there is nothing to wait for
        else:
            self._see_what_is_left()

    def writeConnectionLost(self) -> None:
        """The sending side was closed here, after a refusal: there is nothing to do."""

    def requestDone(self, request: Any) -> None:
        self._answering = False
        super().requestDone(request)
        if not self.persistent or self._backed_up:
            return
        self._answered += 1
        if self._buffer and self._answered >= PIPELINED_MAX:
            self._next_turn = self.site.reactor.callLater(0, self._go_on)
            return
        self.paused = False
        # While it is parsing that goes on by itself.
        if (self._buffer or self._ended) and not self._parsing:
            self._parse_the_rest()

    def _go_on(self) -> None:
        """Parse what has come while the parser was paused."""
        self._next_turn = None
        self._answered = 0
        if self._refused or self._backed_up or self.transport.disconnecting:
            return
        self.paused = False
        self.transport.resumeProducing()
        self._parse_the_rest()

    def _parse_the_rest(self) -> None:
        self._parsing = True
        super(HTTPChannel, self).dataReceived(b"")  # HTTPChannel's own would take this for a sign of life
        self._parsing = False
        self._see_what_is_left()

    def _see_what_is_left(self) -> None:
        """Nothing more can be parsed for now: hold the client back, watch its time, or close the connection."""
        if self._refused:
            return
        if self._answering or self.paused:
            if len(self._buffer) > UNPARSED_BYTES_MAX and not self.transport.disconnecting:
                self.transport.pauseProducing()
        elif self._ended and (self.requests or self._buffer):
            self.refuse(BadRequest())
        elif self._ended:
            self.loseConnection()
        else:
            self._watch_the_time(self._buffer)

    def _take_in_no_more(self) -> None:
        """Ignore what is still buffered, and whatever comes."""
        self._refused = self.paused = True
        self._buffer = b""
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
